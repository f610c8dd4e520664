"""Software does real work inside: packages by the distribution's own means, their daemons, and what only root may."""

from __future__ import annotations

import socket

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.servers import Proxy, serving
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


@pytest.fixture(scope="module")
def box(gateway, alice):
    """One machine for all: they are about what is in it, not about its making."""
    with leaving_nothing(gateway), running(gateway, alice, "box", "--memory", "768M") as machine:
        yield machine


@pytest.fixture(scope="module")
def servers(gateway, box):
    """PostgreSQL and Redis, installed as anybody would."""
    listener = socket.create_server((gateway.address, 0))
    with serving(listener, Proxy):
        box.sh(
            f"echo 'Acquire::http::Proxy \"http://{gateway.address}:{listener.getsockname()[1]}\";' > /etc/apt/apt.conf.d/90proxy"
        )
        box.sh("apt-get -q update", timeout=120)
        box.sh("DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends postgresql redis-server", timeout=280)
    return box


@pytest.fixture(scope="module")
def worker(box):
    """A person's account made inside, with a password."""
    box.sh("adduser --quiet --disabled-password --gecos '' worker && echo worker:first | chpasswd")
    return "worker"


# packages and their daemons


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_packages_are_installed_and_configured(servers):
    assert servers.sh("dpkg --audit") == ""
    assert servers.sh("dpkg-query -W -f '${db:Status-Status}' redis-server") == "installed"
    assert servers.sh("getent passwd postgres redis | wc -l") == "2", "made by maintainer scripts"
    assert servers.sh("stat -c %U:%G:%a /var/lib/redis") == "redis:redis:750"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_postgresql_serves_transactions(servers):
    """The cluster was made by initdb, as its own user, when the package was installed."""
    servers.sh("service postgresql start")
    servers.sh("pgbench -q -i -s 1 postgres", guest_user="postgres", timeout=120)
    said = servers.sh("pgbench -c 4 -t 25 postgres", guest_user="postgres", timeout=120)
    assert "number of transactions actually processed: 100/100" in said
    assert servers.sh("psql -Atc 'select count(*) from pgbench_history' postgres", guest_user="postgres") == "100"
    servers.sh("service postgresql restart", timeout=60)
    assert servers.sh("psql -Atc 'select count(*) from pgbench_history' postgres", guest_user="postgres") == "100"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_redis_keeps_what_it_is_told(servers):
    servers.sh("service redis-server start")
    servers.sh("redis-cli set greeting hello && redis-cli save && service redis-server restart")
    assert servers.sh("redis-cli --no-raw get greeting") == '"hello"'
    assert servers.sh("stat -c %U /var/lib/redis/dump.rdb") == "redis"


def test_a_package_with_maintainer_scripts(box):
    """Made here, so that nothing but dpkg is at work."""
    box.sh("""
        mkdir -p /tmp/p/DEBIAN /tmp/p/usr/share/thing && cd /tmp/p
        printf 'Package: thing\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.org>\\nDescription: t\\n' > DEBIAN/control
        printf '#!/bin/sh\\nadduser --system --group --quiet thing; chown thing /usr/share/thing/file; echo "$1" > /var/lib/thing\\n' > DEBIAN/postinst
        printf '#!/bin/sh\\nrm -f /var/lib/thing\\n' > DEBIAN/prerm
        chmod 755 DEBIAN/postinst DEBIAN/prerm; echo x > usr/share/thing/file
        dpkg-deb -b /tmp/p /tmp/thing.deb > /dev/null && dpkg -i /tmp/thing.deb""")
    assert box.sh("cat /var/lib/thing; stat -c %U /usr/share/thing/file") == "configure\nthing"
    box.sh("dpkg -r thing; test ! -e /usr/share/thing/file; test ! -e /var/lib/thing")


# users and setuid programs


def test_su_to_a_new_user(box, worker):
    assert box.sh(f"su - {worker} -c 'id -un; pwd; umask'").split()[:2] == [worker, f"/home/{worker}"]
    assert box.sh(f"su {worker} -c 'cat /etc/shadow' 2>&1 || true").endswith("Permission denied")
    box.sh(f"su {worker} -c 'touch ~/file; mkdir ~/d'; test $(stat -c %U /home/{worker}/file) = {worker}")


def test_setuid_programs_give_root(box, worker, alice):
    assert box.sh("sudo -n id -u", guest_user=alice.name) == "0", "the owner needs no password"
    assert box.exec("sudo", "-n", "id", guest_user=worker).returncode != 0
    assert box.sh("stat -c %a /usr/bin/passwd /usr/bin/su").split() == ["4755", "4755"]


def test_passwd_changes_a_password(box, worker):
    """A setuid program that a plain user runs, and that writes /etc/shadow."""
    before = box.sh(f"getent shadow {worker}")
    done = box.exec("passwd", guest_user=worker, input="first\nsecond-Word-42\nsecond-Word-42\n")
    assert done.returncode == 0, done.stderr
    assert box.sh(f"getent shadow {worker}") != before


def test_a_setuid_program_of_ones_own(box, worker):
    box.sh("cp /usr/bin/id /usr/local/bin/whose && chmod 4755 /usr/local/bin/whose")
    assert "euid=0(root)" in box.sh("/usr/local/bin/whose", guest_user=worker)
    box.sh(
        "cp /usr/bin/id /usr/local/bin/which-group && chgrp daemon /usr/local/bin/which-group && chmod 2755 /usr/local/bin/which-group"
    )
    assert "egid=1(daemon)" in box.sh("/usr/local/bin/which-group", guest_user=worker)


def test_modes_keep_others_out(box, worker):
    box.sh(
        f"install -o root -m 600 /dev/null /srv/secret; install -d -o {worker} -m 700 /srv/own; install -d -m 1777 /srv/sticky"
    )
    assert box.exec("cat", "/srv/secret", guest_user=worker).returncode != 0
    box.sh("touch /srv/own/file /srv/sticky/mine", guest_user=worker)
    assert box.exec("rm", "-f", "/srv/sticky/mine", guest_user="daemon").returncode != 0
    assert box.exec("ls", "/srv/own", guest_user="daemon").returncode != 0


# what only root may, and what containers refuse


def test_loop_mount_of_an_ext4_image(box):
    box.sh("""
        truncate -s 32M /root/disk && mkfs.ext4 -q /root/disk && mkdir -p /mnt/disk && mount -o loop /root/disk /mnt/disk
        echo kept > /mnt/disk/file; df /mnt/disk | grep -q /dev/loop; umount /mnt/disk""")
    assert box.sh("debugfs -R 'cat file' /root/disk 2> /dev/null") == "kept", "it is in the image"


def test_tmpfs_bind_and_overlay(box):
    box.sh("""
        mkdir -p /mnt/t /mnt/b && mount -t tmpfs -o size=1M tmpfs /mnt/t
        mkdir /mnt/t/low /mnt/t/up /mnt/t/work /mnt/t/merged; echo low > /mnt/t/low/file
        mount -t overlay overlay -o lowerdir=/mnt/t/low,upperdir=/mnt/t/up,workdir=/mnt/t/work /mnt/t/merged
        echo changed > /mnt/t/merged/file; mount --bind /mnt/t/up /mnt/b""")
    assert box.sh("cat /mnt/t/low/file /mnt/b/file") == "low\nchanged"
    assert box.exec("dd", "if=/dev/zero", "of=/mnt/t/big", "bs=1M", "count=2").returncode != 0
    box.sh("umount /mnt/b /mnt/t/merged /mnt/t")


def test_a_firewall_that_drops(gateway, box):
    ping = ["ping", "-c1", "-W1", gateway.address]
    assert box.exec(*ping).returncode == 0
    box.sh(f"""nft -f - << END
table inet test {{
    chain output {{
        type filter hook output priority 0
        ip daddr {gateway.address} icmp type echo-request counter drop
    }}
}}
END""")
    assert box.exec(*ping).returncode != 0
    assert "packets 1" in box.sh("nft list table inet test")
    box.sh("nft delete table inet test")
    assert box.exec(*ping).returncode == 0


def test_user_namespaces(box, worker):
    assert box.sh("unshare -Ur id -u", guest_user=worker) == "0"
    assert box.sh("unshare -Urnm sh -c 'mount -t tmpfs t /mnt && ls /sys/class/net | grep -c lo'", guest_user=worker) == "1"


def test_sysctl(box):
    box.sh("sysctl -qw net.ipv4.ip_forward=1 kernel.hostname=renamed")
    assert box.sh("sysctl -n net.ipv4.ip_forward; hostname") == "1\nrenamed"
    box.sh("sysctl -qw net.ipv4.ip_forward=0 kernel.hostname=box")


def test_device_nodes(box):
    box.sh("mknod /root/zero c 1 5 && mkfifo /root/fifo")
    assert box.sh("head -c 3 /root/zero | od -An -tx1").split() == ["00"] * 3
    assert box.sh("stat -c %F /root/zero /root/fifo") == "character special file\nfifo"
    box.sh("rm /root/zero /root/fifo")


def test_control_groups_of_its_own(box):
    box.sh("mkdir /sys/fs/cgroup/own && echo $$ > /sys/fs/cgroup/own/cgroup.procs && grep -q own /proc/self/cgroup")
    box.sh("rmdir /sys/fs/cgroup/own")


def test_links_and_attributes_of_files(box):
    box.sh("cd /root && echo x > a && ln a b && test $(stat -c %h a) = 2 && rm a && test $(stat -c %h b) = 1 && rm b")
    box.sh("cd /root && ln -s nowhere l && rm l && echo now > l && test ! -L l && rm l")
    box.sh("cd /root && mkdir d && cd d && touch $(seq 500) && test $(ls | wc -l) = 500 && rm -r /root/d")


def test_random_numbers_are_there_at_once(box):
    """haveged has work only where the kernel's pool is not ready by itself."""
    ready = int(box.sh("cat /proc/sys/kernel/random/entropy_avail")) >= 256
    assert ready or box.exec("pgrep", "haveged").returncode == 0
    assert box.exec("head", "-c", "1000", "/dev/random", timeout=PATIENCE, text=False).returncode == 0
