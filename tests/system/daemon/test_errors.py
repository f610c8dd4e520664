"""What goes wrong says what, why and what to do, with the exit code of the contract; and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from gaoler.wire.framing import Connection
from system.support.gateway import LIMIT
from system.support.machine import Machine, running
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine]


def refused(done, code, *said):
    """An error in the contract's form."""
    assert done.returncode == code, done
    first, *rest = [line for line in done.stderr.splitlines() if not line.startswith(("cloning", "starting", "waiting"))]
    assert first.startswith("gaol: "), done.stderr
    assert "Traceback" not in done.stderr
    assert "gaoler made a mistake" not in done.stderr
    assert any(line.startswith("try: ") for line in rest), done.stderr
    for words in said:
        assert words in done.stderr


# names and numbers


@pytest.mark.parametrize("verb", ["up", "run"])
def test_no_such_base_or_kernel(gateway, alice, verb):
    rest = ["--", "true"] if verb == "run" else []
    refused(gateway.gaol(verb, "--base", "trixie", *rest, user=alice), 3, '"trixie"', "debian")
    refused(gateway.gaol(verb, "--kernel", "1.2.3", *rest, user=alice), 3, "1.2.3", gateway.components.kernel_name)
    assert gateway.json("ls", "--all") == []


def test_anothers_machine_and_none_are_told_alike(gateway, alice, bob, quiet):
    for verb, rest in (("info", []), ("down", []), ("rm", []), ("log", []), ("exec", ["--", "true"]), ("shell", []),
                       ("wait", ["--for", "ready"]), ("snapshot", []), ("ssh", ["true"])):  # fmt: skip
        answers = [gateway.gaol(verb, name, *rest, user=bob) for name in ("quiet", "other")]
        for done in answers:
            refused(done, 3)
        assert answers[0].stderr == answers[1].stderr.replace("other", "quiet"), verb
    for verb in ("info", "down", "rm", "log"):
        answers = [gateway.gaol(verb, f"{alice.name}/{name}", user=bob) for name in ("quiet", "other")]
        assert answers[0].stderr == answers[1].stderr.replace("other", "quiet"), verb
        refused(answers[0], 3)
    assert quiet.state == "ready"


NAMES = ["..", ".", "a\nb", "-rf", "x" * 300, "Web", "web_1", "wéb", "web-", " ", "", "a b", "a\tb", "'", "$(id)"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_for_a_machine(gateway, alice, name):
    done = (
        gateway.gaol("up", "--no-network", "--", name, user=alice)
        if name.startswith("-")
        else gateway.gaol("up", name, user=alice)
    )
    refused(done, 2)
    assert len(done.stderr) < 2000
    assert all(line.isprintable() for line in done.stderr.splitlines())
    assert gateway.json("ls", "--all") == []
    assert gateway.gaol("info", name, user=alice).returncode in (2, 3)


@pytest.mark.parametrize("name", ["a\0b", "\0", "..", "../../etc", "x" * 4000, "-rf", "\udcff"])
@pytest.mark.parametrize("method", ["Up", "Inspect", "Remove", "Snapshot", "BaseAdd", "KernelRemove"])
def test_no_name_at_the_socket(gateway, alice, name, method):
    """What no command line can send: as root, so that only the name stands in the way."""
    parameters = {"name": name, **({"source": "directory", "argument": "/etc"} if method == "BaseAdd" else {})}
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(gateway.socket))
        connection = Connection(sock)
        connection.send({"method": f"org.gaoler.{method}", "parameters": parameters})
        reply = connection.receive()
    assert reply["error"] == "org.gaoler.Error"
    assert reply["parameters"]["code"] in (2, 3)
    assert "mistake" not in reply["parameters"]["what"]
    assert sorted(os.listdir(gateway.store)) == [".gaoler", "bin", "debian", "etc", "kernels", "lib"]


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--memory", "0", 2), ("--memory", "1K", 2), ("--memory", "-5", 2), ("--memory", "lots", 2), ("--memory", "1e3", 2),
        ("--memory", "9" * 30, 2), ("--memory", "4T", 5), ("--memory", "2049M", 5), ("--cpus", "0", 2), ("--cpus", "-1", 2),
        ("--cpus", "nan", 2), ("--cpus", "inf", 2), ("--cpus", "1000", 5), ("--ttl", "soon", 2), ("--ttl", "-1", 2),
        ("--disk", "x", 2), ("--mode", "magic", 2), ("--init", "upstart", 2),
    ],
)  # fmt: skip
def test_absurd_sizes(gateway, alice, option, value, code):
    refused(gateway.gaol("up", "odd", option, value, user=alice), code)
    assert gateway.json("ls", "--all") == []


def test_an_option_that_is_unknown(gateway, alice):
    refused(gateway.gaol("up", "--memori", "1G", user=alice), 2, "--memori")
    refused(gateway.gaol("upp", user=alice), 2, "gaol up")
    refused(gateway.gaol("snapshot", user=alice), 2)


# limits and rights


def test_no_more_machines_than_the_limit(gateway, alice, quiet):
    quiet.gaol("down", check=True)
    names = [f"m{number}" for number in range(1, LIMIT)]
    try:
        for name in names:
            quiet.gaol("clone", name, check=True)
        for done in (quiet.gaol("clone", "one-more"), gateway.gaol("run", "--", "true", user=alice),
                     gateway.gaol("up", "one-more", user=alice)):  # fmt: skip
            refused(done, 5, str(LIMIT), "limits.machines")
        assert len(gateway.json("ls", user=alice)) == LIMIT
    finally:
        for name in names:
            gateway.gaol("rm", name, user=alice)


def test_what_only_administrators_may(gateway, alice):
    for words in (("base", "add", "mine", "--directory", "/etc"), ("base", "rm", "debian"), ("ls", "--all"), ("kernel", "build"),
                  ("kernel", "rm", gateway.components.kernel_name)):  # fmt: skip
        refused(gateway.gaol(*words, user=alice), 4)


def test_a_kernel_in_use_is_not_removed(gateway, quiet):
    refused(gateway.gaol("kernel", "rm", gateway.components.kernel_name), 4, "in use")


# bases


def test_a_base_of_nothing(gateway, tmp_path):
    refused(gateway.gaol("base", "add", "empty", "--directory", str(tmp_path / "nothing")), 3)
    refused(gateway.gaol("base", "add", "../evil", "--directory", "/etc"), 2)
    refused(gateway.gaol("base", "add", "bin", "--directory", "/etc"), 2)
    refused(gateway.gaol("base", "rm", "nothing"), 3)


def test_a_tree_that_is_no_base(gateway, tmp_path):
    (tmp_path / "tree/etc").mkdir(parents=True)
    done = gateway.gaol("base", "add", "hollow", "--directory", str(tmp_path / "tree"))
    assert done.returncode == 1
    assert "no sh" in done.stderr
    assert "try: " in done.stderr
    assert [base["name"] for base in gateway.json("base", "ls")] == ["debian"]


def test_a_machine_that_can_not_boot_says_so(gateway, alice):
    machine = Machine(gateway, "broken", alice)
    try:
        machine.up("--no-network")
        machine.sh("rm /usr/bin/sh /usr/bin/dash; sync")
        machine.gaol("down", "--force", check=True)
        refused(machine.gaol("up"), 1, "gaol shell --rescue broken")
        assert machine.state == "failed"
        assert machine.gaol("log").stdout.strip()
    finally:
        machine.remove()


# the daemon and its surroundings


def test_no_daemon(gateway, alice):
    gateway.kill(signal.SIGTERM)
    try:
        for words in (["ls"], ["up"], ["info", "x"], ["run", "--", "true"], ["exec", "x", "--", "true"], ["base", "ls"]):
            refused(gateway.gaol(*words, user=alice), 6, str(gateway.socket))
        done = gateway.gaol("doctor", user=alice)
        assert done.returncode == 1
        assert "BAD daemon" in done.stdout
    finally:
        gateway.start()


def test_a_second_daemon_is_refused(gateway, alice):
    done = gateway.gaoler()
    assert done.returncode == 1
    assert "serves already" in done.stderr
    assert gateway.gaol("ls", user=alice).returncode == 0, "the first one serves on"


def test_the_daemon_must_be_root(gateway, alice):
    done = subprocess.run([gateway.directory / "bin/gaoler"], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env=alice.environment, **alice.credentials)  # fmt: skip
    assert done.returncode != 0
    if os.access(gateway.directory / "lib", os.R_OK) and "must be root" not in done.stderr:
        assert "ermission denied" in done.stderr, "an interpreter that plain users can not reach"


def test_all_mistakes_of_a_configuration_are_told(gateway):
    gateway.configure(machines={"memori": "1G", "deadline": "soon"}, network={"mode": "magic", "subnet": "10.0.0.0/31"})
    try:
        done = gateway.gaoler("--check")
    finally:
        gateway.configure()
    assert done.returncode == 2
    for words in (
        "machines.memori",
        "did you mean memory",
        "machines.deadline",
        "network.mode",
        "network.subnet",
        "gaoler.toml:",
    ):
        assert words in done.stderr, words


def test_no_configuration_and_no_toml(gateway, tmp_path):
    for path, text in ((tmp_path / "none.toml", None), (tmp_path / "bad.toml", "[daemon\n")):
        if text:
            path.write_text(text)
        done = gateway.gaoler("--config", str(path))
        assert done.returncode == 2
        assert str(path) in done.stderr


def test_no_kernel(gateway, alice):
    kernels, away = gateway.store / "kernels", gateway.directory / "away"
    shutil.move(kernels, away)
    kernels.mkdir()
    try:
        refused(gateway.gaol("run", "--", "true", user=alice), 3, "kernel")
        checks = {check["name"]: check for check in json.loads(gateway.gaol("doctor", "--json").stdout)}
        assert not checks["kernel"]["good"]
    finally:
        kernels.rmdir()
        shutil.move(away, kernels)


def test_something_else_is_mounted_where_the_store_belongs(gateway, tmp_path):
    other = gateway.directory / "other"
    other.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", other], check=True)
    gateway.configure(store={"path": str(other)})
    try:
        done = gateway.gaoler("--make-store")
        assert done.returncode == 1
        assert "btrfs" in done.stderr
    finally:
        gateway.configure()
        subprocess.run(["umount", other], check=True)
        other.rmdir()


def test_the_bridge_of_the_lan_is_missing(gateway):
    gateway.kill(signal.SIGTERM)
    gateway.configure(network={"mode": "bridge", "bridge": "nosuchbridge"})
    good = gateway.configuration.with_name("gaoler.toml.last-good")
    good.rename(good.with_suffix(".away"))  # the first start of a gateway has none to go on with
    try:
        done = gateway.gaoler()
        assert done.returncode == 2
        assert "there is no bridge nosuchbridge" in done.stderr
        assert "try: " in done.stderr
    finally:
        gateway.configure()
        gateway.start()


def test_a_full_store(gateway, alice):
    """Clear words, and nothing half-made; what is there runs on."""
    filler = gateway.store / ".filler"
    with running(gateway, alice, "there", "--no-network") as there:
        try:
            _fill(filler)
            done = gateway.gaol("up", "big", "--no-network", user=alice)
            if done.returncode:
                refused(done, 1, "full")
                assert [machine["name"] for machine in gateway.json("ls", user=alice)] == ["there"]
            assert there.sh("cat /etc/hostname") == "there"
        finally:
            filler.unlink(missing_ok=True)
            gateway.gaol("rm", "big", user=alice)
    assert gateway.gaol("run", "--no-network", "--", "true", user=alice).returncode == 0


def _fill(path: Path) -> None:
    """All but what can't be had; allocated, not written."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        size, step = 0, 1 << 34
        while step >= 4096:
            try:
                os.posix_fallocate(descriptor, size, step)
                size += step
            except OSError:
                step //= 2
    finally:
        os.close(descriptor)
