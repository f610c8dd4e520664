"""Machines that become bases: whole while they run and write, without what is their owner's, by those who may."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def course(gateway: Gateway):
    """The name of a base that a test publishes, removed afterwards."""
    yield "course"
    gateway.gaol("base", "rm", "course")


def inside(gateway: Gateway, base: str, *command: str, user: User | None = None) -> str:
    """What a command prints in a new machine of that base."""
    return str(gateway.gaol("run", "--base", base, "--no-network", "--", *command, user=user, check=True).stdout)


def test_a_machine_becomes_a_base_and_is_followed(gateway: Gateway, alice: User, course: str):
    with running(gateway, alice, "made", "--no-network") as machine:
        machine.sh("echo one > /etc/told; touch /etc/ssh/ssh_host_rsa_key; sync")
        name = f"{alice.name}/made"
        assert gateway.gaol("base", "add", "course", "--machine", name).returncode == 0
        try:
            assert gateway.gaol("run", "--base", "course", "--no-network", "--", "cat", "/etc/told").stdout == "one\n"
            assert not (gateway.store / "course/etc/ssh/ssh_host_rsa_key").exists()
            machine.sh("echo two > /etc/told; sync")
            assert gateway.gaol("base", "sync", "course").returncode == 0
            assert gateway.gaol("run", "--base", "course", "--no-network", "--", "cat", "/etc/told").stdout == "two\n"
        finally:
            gateway.gaol("base", "rm", "course", check=True)


WRITER = """
import mmap, os
log, index = open("/srv/log", "wb", buffering=0), os.open("/srv/index", os.O_RDWR | os.O_CREAT, 0o644)
os.truncate("/srv/index", 4096)
view = mmap.mmap(index, 4096)
number = 0
while True:
    number += 1
    log.write(b"%08d\\n" % number)      # whole lines, each before it is counted
    view[:8] = b"%08d" % number
"""


def counted(base: Path) -> tuple[int, int]:
    """Lines of the log, which must be whole and without a gap, and what the mapped file says there are."""
    lines = (base / "srv/log").read_bytes().split(b"\n")
    assert lines.pop() == b"", "a line is torn"
    assert [int(line) for line in lines] == list(range(1, len(lines) + 1))
    return len(lines), int((base / "srv/index").read_bytes()[:8].strip(b"\0") or 0)


def test_what_a_machine_has_written_when_it_is_published_is_in_the_base(gateway: Gateway, alice: User, course: str):
    with running(gateway, alice, "writer", "--no-network") as machine:
        machine.sh(f"cat > /root/writer <<'END'\n{WRITER}\nEND\n(setsid python3 /root/writer > /dev/null 2>&1 &)")
        until(lambda: machine.exec("test", "-s", "/srv/log").returncode == 0, "it writes")
        for _ in range(3):
            before = int(machine.sh("head -c 8 /srv/index"))
            gateway.gaol("base", "add", course, "--machine", f"{alice.name}/writer", check=True)
            lines, mapped = counted(gateway.store / course)
            assert lines >= before
            assert mapped >= before, "memory that programs share with a file was written out"


def test_a_machine_that_does_not_write_out_is_refused(gateway: Gateway, alice: User, course: str):
    with running(gateway, alice, "stuck", "--no-network") as machine:
        machine.sh("printf '#!/bin/sh\nexit 1\n' > /usr/bin/sync")
        done = gateway.gaol("base", "add", course, "--machine", f"{alice.name}/stuck")
        assert done.returncode == 1 and "does not write out" in done.stderr
        assert not (gateway.store / course).exists()
        machine.gaol("down", check=True)
        gateway.gaol("base", "add", course, "--machine", f"{alice.name}/stuck", check=True)


def test_what_is_its_owners_stays_with_him(gateway: Gateway, alice: User, bob: User, course: str):
    secrets = ("/root/.ssh/id_ed25519", "/root/.bash_history", "/root/.netrc", f"{alice.home}/.ssh/authorized_keys",
               f"{alice.home}/.netrc", "/home/other/key", f"/var/spool/cron/crontabs/{alice.name}", "/etc/shadow-")  # fmt: skip
    with running(gateway, alice, "secretive", "--no-home") as machine:
        script = [f"mkdir -p $(dirname {path}); echo secret > {path}" for path in secrets]
        machine.sh(
            "\n".join([*script, f"echo '{alice.name}:open' | chpasswd", "echo root:open | chpasswd", "echo kept > /srv/kept"])
        )
        assert machine.sh("ls /etc/ssh/ssh_host_*_key")
        gateway.gaol("base", "add", course, "--machine", f"{alice.name}/secretive", check=True)
        assert machine.sh(f"cat {alice.home}/.netrc") == "secret", "the machine itself is as it was"
    base = gateway.store / course
    assert [path for path in secrets if (base / path[1:]).exists()] == []
    assert list((base / "etc/ssh").glob("ssh_host_*")) == []
    assert (base / "srv/kept").read_text() == "kept\n"
    found = subprocess.run(["grep", "-rl", alice.name, base / "etc"], capture_output=True, text=True, check=False)
    assert found.stdout == "", "her name is nowhere"
    passwords = [line.split(":")[1] for line in (base / "etc/shadow").read_text().splitlines()]
    assert all(password.startswith(("!", "*")) for password in passwords)
    assert (base / "etc/shadow").stat().st_mode & 0o777 == 0o640
    accounts = inside(gateway, course, "cat", "/etc/passwd", user=bob)
    assert f"\n{bob.name}:x:{bob.uid}:" in accounts and alice.name not in accounts


@pytest.fixture
def teacher(gateway: Gateway, alice: User):
    """She may publish one base."""
    gateway.restart(limits={"user": {alice.name: {"bases": 1}}}, base={"reserved": {"sync": "daily"}})
    yield alice
    gateway.restart()


def test_a_teacher_gives_a_machine_to_a_class(gateway: Gateway, teacher: User, bob: User, course: str):
    with running(gateway, teacher, "prepared", "--no-network") as machine:
        machine.sh("echo first > /srv/exercise; mkdir -p /root/.config /root/tools; cd /root; touch .vimrc tools/run .config/token .netrc")
        kept = machine.gaol("publish", course, "--keep", "/root/.vimrc", "--keep", "/root/tools", check=True)
        assert kept.stdout.startswith("course  generation 1: ")
        home = gateway.store / course / "root"
        assert sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.name in ("run", "token", ".vimrc", ".netrc")) == [
            ".vimrc", "tools/run",
        ], "what was named, and no more"
        assert inside(gateway, course, "ls", "/root/tools", user=bob) == "run\n"
        assert machine.gaol("publish", course, "--keep", "/root/../etc/shadow").returncode != 0
        assert machine.gaol("publish", course, "--keep", "/root/none").returncode != 0
        assert inside(gateway, course, "cat", "/srv/exercise", user=bob) == "first\n"
        machine.sh("echo second > /srv/exercise")
        machine.gaol("publish", course, check=True)
        assert inside(gateway, course, "cat", "/srv/exercise", user=bob) == "second\n"
        assert not (home / "tools").exists(), "not without being named again"
        gateway.gaol("base", "rollback", course, user=teacher, check=True)
        assert inside(gateway, course, "cat", "/srv/exercise", user=bob) == "first\n"

        for name in ("debian", "reserved", "kernels"):
            assert machine.gaol("publish", name).returncode in (2, 4), name
        refused = machine.gaol("publish", "more")
        assert refused.returncode == 5 and f"limits.user.{teacher.name}.bases is 1" in refused.stderr
        for words in (("sync",), ("rollback",), ("rm",)):
            assert gateway.gaol("base", *words, course, user=bob).returncode == 4
            assert gateway.gaol("base", *words, "debian", user=teacher).returncode == 4
        gateway.gaol("base", "rm", course, user=teacher, check=True)
    assert gateway.gaol("run", "--base", course, "--", "true", user=bob).returncode == 3


def test_what_an_administrator_makes_of_a_users_machine_is_not_theirs(gateway: Gateway, teacher: User, course: str):
    with running(gateway, teacher, "lent", "--no-network") as machine:
        machine.sh("echo one > /srv/told; mkdir -p /root/.config; echo token > /root/.config/token; echo key > /etc/shadow.bak")
        gateway.gaol("base", "add", course, "--machine", f"{teacher.name}/lent", check=True)
        assert not (gateway.store / course / "root/.config").exists()
        assert not (gateway.store / course / "etc/shadow.bak").exists()
        machine.sh("echo two > /srv/told")
        for words in (("sync", course), ("rollback", course), ("rm", course)):
            assert gateway.gaol("base", *words, user=teacher).returncode == 4
        assert machine.gaol("publish", course).returncode == 4
        assert inside(gateway, course, "cat", "/srv/told") == "one\n"


def test_without_a_grant_nobody_publishes(gateway: Gateway, alice: User):
    with running(gateway, alice, "mine", "--no-network") as machine:
        refused = machine.gaol("publish", "course")
        assert refused.returncode == 4 and "limits.bases is 0" in refused.stderr
