"""What machines are kept as, copied to and published as: snapshots, clones, bases."""

from __future__ import annotations

import subprocess

import pytest

from system.support.machine import Machine, running

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_snapshot_and_restore(quiet):
    quiet.sh("echo one > /root/file; sync")
    assert quiet.gaol("snapshot", "first").stdout == "first\n"
    quiet.sh("echo two > /root/file; rm /bin/ls")
    assert quiet.info()["snapshots"] == ["first"]
    assert quiet.gaol("snapshot", "first").returncode == 1, "a tag is used once"
    assert "gaol down quiet" in quiet.gaol("restore", "first").stderr, "its files are in use"
    quiet.gaol("down", check=True)
    assert quiet.gaol("restore", "no-such-tag").returncode == 3
    quiet.gaol("restore", "first", check=True)
    quiet.gaol("snapshot", "first", "--delete", check=True)
    assert quiet.info()["snapshots"] == []
    assert quiet.gaol("snapshot", "first", "--delete").returncode == 3
    quiet.up()
    assert quiet.sh("cat /root/file; ls /root") == "one\nfile"
    assert quiet.gaol("snapshot").stdout.strip() in quiet.info()["snapshots"], "a tag is made up"


_MAPPED = """
import mmap, sys
file = open("/root/mapped", "w+b")
file.truncate(4096)
view = mmap.mmap(file.fileno(), 4096)
view[:4] = b"seen"
print("written", flush=True)
sys.stdin.read()
"""
"""Writes by a memory map, which it keeps: the machine's kernel has it, the host not yet."""


@pytest.mark.parametrize("verb", ["snapshot", "clone"])
def test_what_a_running_machine_has_written_is_taken_along(quiet, gateway, alice, verb):
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with gateway.popen("exec", "quiet", "--", "python3", "-c", _MAPPED, user=alice, **piped) as program:
        assert program.stdout.readline() == b"written\n"
        quiet.gaol(verb, "later", check=True)
        program.communicate()
    if verb == "snapshot":
        quiet.gaol("down", check=True)
        quiet.gaol("restore", "later", check=True)
    taken = quiet if verb == "snapshot" else Machine(gateway, "later", alice)
    try:
        taken.up()
        assert taken.sh("head -c 4 /root/mapped") == "seen"
    finally:
        if verb == "clone":
            gateway.gaol("rm", "--force", "later", user=alice)


def test_clone_has_the_files_and_an_identity_of_its_own(web, gateway, alice):
    web.sh("echo copied > /root/file; sync")
    try:
        web.gaol("clone", "twin", check=True)
        twin = Machine(gateway, "twin", alice)
        assert twin.state == "stopped"
        twin.up()
        assert twin.sh("cat /root/file; hostname") == "copied\ntwin"
        mine, its = web.info(), twin.info()
        assert all(mine[key] != its[key] for key in ("mac", "address", "address6", "pid"))
        twin.sh("echo changed > /root/file")
        assert web.sh("cat /root/file") == "copied"
        assert web.gaol("clone", "twin").returncode == 1
    finally:
        gateway.gaol("rm", "twin", user=alice)


def test_a_base_made_of_a_machine(gateway, alice):
    with running(gateway, gateway.root, "template", "--no-network") as machine:
        machine.sh("echo course > /etc/course; sync")
        assert machine.gaol("down").returncode == 0
        assert gateway.gaol("publish", "template", "course", user=alice).returncode in (3, 4)
        machine.gaol("publish", "course", check=True)
    try:
        bases = {base["name"]: base for base in gateway.json("base", "ls", user=alice)}
        assert bases.keys() == {"debian", "course"}
        assert bases["course"]["generation"] == "1"
        done = gateway.gaol("run", "--no-network", "--base", "course", "--", "cat", "/etc/course", user=alice)
        assert done.stdout == "course\n", done.stderr
        assert gateway.gaol("base", "rm", "course", user=alice).returncode == 4
    finally:
        gateway.gaol("base", "rm", "course", check=True)
    assert gateway.gaol("run", "--base", "course", "--", "true", user=alice).returncode == 3


def test_a_base_can_not_be_changed_from_inside_or_outside(quiet, gateway):
    quiet.sh("rm -r /usr/share/doc; echo spoilt > /etc/passwd-")
    assert (gateway.store / "debian/usr/share/doc").is_dir()
    with pytest.raises(OSError, match="Read-only"):
        (gateway.store / "debian/etc/spoilt").touch()
