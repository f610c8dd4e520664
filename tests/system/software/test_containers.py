"""Containers inside a machine, by those who run them: Docker, Podman, and Podman without being root."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from system.support.images import NAME, write_image
from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.servers import WhoAsks, serving

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]

#: Podman tells the engines apart; everything else is said in the same words to both.
LOAD = "load --quiet --input"


@pytest.fixture(scope="module")
def image(smith):
    """In the home, which machines see."""
    path = smith.home / "small.tar"
    write_image(path)
    path.chmod(0o644)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def box(workshop, smith):
    with leaving_nothing(workshop), running(workshop, smith, "box", "--memory", "1G") as machine:
        yield machine


@pytest.fixture(scope="module")
def podman(box, image):
    box.sh(f"podman {LOAD} {image}", timeout=60)
    return "podman"


@pytest.fixture(scope="module")
def docker(box, image):
    """Started as its package does it on a machine without systemd, which also looks after control groups."""
    box.sh("service docker start; while ! docker version > /tmp/docker 2>&1; do sleep 0.1; done", timeout=60)
    box.sh(f"docker {LOAD} {image}", timeout=60)
    return "docker"


@pytest.fixture(params=["podman", "docker"])
def engine(request):
    return request.getfixturevalue(request.param)


def test_layers_lie_on_an_overlay_of_the_gaol(box, engine):
    said = box.sh(f"{engine} run --rm {NAME} sh -ec 'cat /proc/mounts; stat -c %u:%a /data/page /tmp; id -u'", timeout=60)
    assert said.startswith("overlay / overlay ")
    assert said.splitlines()[-3:] == ["33:640", "0:1777", "0"]
    store = {"podman": "Store.GraphRoot", "docker": "DockerRootDir"}[engine]
    assert box.sh(f"df --output=fstype $({engine} info --format '{{{{.{store}}}}}')").split() == ["Type", "hostfs"]


def test_what_a_container_changes_is_in_its_layer_alone(box, engine):
    box.sh(
        f"""
        {engine} run --name changer {NAME} sh -ec 'rm /data/page; echo new > /data/new; chown 33 /data/new; mkdir /etc/d'
        {engine} diff changer | sort > /tmp/diff; grep -qx 'D /data/page' /tmp/diff; grep -qx 'A /data/new' /tmp/diff
        {engine} commit changer localhost/changed:1 > /tmp/id; {engine} rm changer""",
        timeout=60,
    )
    assert box.sh(f"{engine} run --rm localhost/changed:1 sh -c 'ls /data; stat -c %u /data/new'", timeout=60) == "new\n33"
    assert box.sh(f"{engine} run --rm {NAME} ls /data", timeout=60) == "page"


def test_a_bridge_of_its_own_and_addresses_translated(workshop, box, engine):
    listener = socket.create_server((workshop.address, 0))
    with serving(listener, WhoAsks):
        url = f"http://{workshop.address}:{listener.getsockname()[1]}/"
        said = box.sh(f"{engine} run --rm {NAME} sh -ec 'ip -4 address show dev eth0; wget -q -O - {url}'", timeout=60)
    assert " inet 10.88." in said or " inet 172.17." in said
    assert said.endswith(box.address), "the network sees the machine"


def test_a_published_port_answers_to_others(box, engine):
    box.sh(
        f"{engine} run --detach --name server --publish 8080:80 --user 33 --sysctl net.ipv4.ip_unprivileged_port_start=0"
        f" {NAME} httpd -f -p 80 -h /data",
        timeout=60,
    )
    try:
        with urllib.request.urlopen(f"http://{box.address}:8080/page", timeout=20) as reply:
            assert reply.read() == b"a page\n"
        assert box.sh(f"{engine} exec server id -u", timeout=60) == "33"
    finally:
        box.sh(f"{engine} kill server; {engine} rm server", timeout=60)


def test_limits_hold(box, engine):
    """By the machine's own control groups, version 2."""
    limits = "--memory 16m --memory-swap 16m --pids-limit 8 --cpus 0.5"
    inside = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max"
    assert box.sh(f"{engine} run --rm {limits} {NAME} sh -c '{inside}'", timeout=60) == "16777216\n8\n50000 100000"
    hog = box.exec("sh", "-c", f"{engine} run --rm {limits} {NAME} sh -c 'head -c 64m /dev/zero | tail > /dev/null'", timeout=60)
    assert hog.returncode == 137, hog
    fork = "i=0; while test $i -lt 20; do sleep 30 & i=$((i+1)); done"
    forks = box.exec("sh", "-c", f"{engine} run --rm {limits} {NAME} sh -c '{fork}'", timeout=60)
    assert forks.returncode != 0
    assert "fork" in forks.stderr


def test_docker_builds_an_image(box, docker):
    box.sh(
        f"""
        mkdir -p /root/build && cd /root/build && echo hello > greeting
        printf 'FROM {NAME}\\nCOPY greeting /data/\\nRUN rm /data/page && chown 33 /data/greeting\\nUSER 33\\nCMD cat /data/greeting\\n' > Dockerfile
        docker build --quiet --tag greeter . > /tmp/id""",
        timeout=120,
    )
    assert box.sh("docker run --rm greeter", timeout=60) == "hello"


# without being root


def without_root(machine, image):
    """A container of the owner's: an id of another user inside is one of the owner's subordinate ids outside."""
    user = machine.user.name
    machine.sh(f"podman {LOAD} {image}", guest_user=user, timeout=60)
    said = machine.sh(
        f"podman run --rm {NAME} sh -ec 'id -u; touch /data/x; chown 33 /data/x; stat -c %u /data/x /data/page;"
        " cat /proc/self/uid_map'",
        guest_user=user,
        timeout=60,
    ).split()
    assert said[:3] == ["0", "33", "33"]
    assert said[3:] == ["0", str(machine.user.uid), "1", "1", "100000", "65536"]
    machine.sh(f"podman run --detach --name own --publish 8081:80 {NAME} httpd -f -p 80 -h /tmp", guest_user=user, timeout=60)
    machine.sh("podman exec own sh -c 'echo mine > /tmp/page'", guest_user=user, timeout=60)
    with urllib.request.urlopen(f"http://{machine.address}:8081/page", timeout=20) as reply:
        assert reply.read() == b"mine\n"
    machine.sh("podman rm --force --time 0 own", guest_user=user, timeout=60)


def test_podman_of_the_owners_in_a_home_inside(workshop, smith, image):
    with running(workshop, smith, "away", "--no-home") as machine:
        machine.exec("sh", "-c", "cat > /srv/image", input=image.read_bytes(), text=False)
        without_root(machine, "/srv/image")


def test_podman_of_the_owners_with_the_hosts_home(box, smith, image):
    """Its store lies in the gaol: files of a home of the host's are all the owner's, so layers can't lie there."""
    box.sh(
        f"install -d -o {smith.name} /srv/store; mkdir -p /etc/containers;"
        ' printf \'[storage]\\ndriver = "overlay"\\nrootless_storage_path = "/srv/store"\\n\' > /etc/containers/storage.conf'
    )
    without_root(box, image)
    box.sh("rm /etc/containers/storage.conf")
