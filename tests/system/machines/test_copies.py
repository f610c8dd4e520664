"""Running machines kept with their memory: they go on where they were."""

from __future__ import annotations

import subprocess

import pytest

from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

_COUNTER = """
import hashlib, os, sys, threading, time
held = {n: os.urandom(4096) for n in range(512)}
sums = {n: hashlib.sha256(data).hexdigest() for n, data in held.items()}
lost = open("/root/lost", "w+"); lost.write("still here"); lost.flush(); os.unlink("/root/lost")
turns = [0, 0]
def turn(which):
    while True:
        for n, data in held.items():
            if hashlib.sha256(data).hexdigest() != sums[n]:
                open("/root/wrong", "a").write(f"{n}\\n")
        if os.pread(lost.fileno(), 100, 0) != b"still here":
            open("/root/wrong", "a").write("lost\\n")
        turns[which] += 1
        if which == 0:
            with open("/root/turns.new", "w") as file:
                file.write(f"{os.getpid()} {min(turns)}")
            os.replace("/root/turns.new", "/root/turns")
        time.sleep(0.01)
threading.Thread(target=turn, args=(1,), daemon=True).start()
turn(0)
"""
"""Looks at its own memory, and at a file that it has open and that has no name, in two threads."""


@pytest.fixture(name="counting")
def counting_fixture(gateway, alice):
    """A machine with a network in which a program checks itself."""
    with running(gateway, alice, "counting") as machine:
        machine.sh(f"cat > /root/counter.py <<'END'\n{_COUNTER}\nEND\nsetsid python3 /root/counter.py > /root/said 2>&1 &")
        turns(machine, 3)
        yield machine


def turns(machine, above: int) -> tuple[str, int]:
    """Its program's process id, and its turns when they are more than those."""

    def more() -> tuple[str, int] | None:
        pid, _, done = machine.sh("cat /root/turns 2>/dev/null || true").partition(" ")
        return (pid, int(done)) if done and int(done) > above else None

    found = until(more, "the program inside goes on")
    assert machine.sh("cat /root/wrong /root/said 2>/dev/null || true") == ""
    return found


def test_a_machine_goes_on_where_it_was(counting, gateway, alice):
    pid, before = turns(counting, 0)
    assert counting.gaol("snapshot", "there", "--memory", check=True).stdout == "there\n"
    turns(counting, before + 3)
    counting.sh("echo later > /root/later; sync")
    for _ in range(2):
        counting.gaol("down", "--force", check=True)
        counting.gaol("restore", "there", check=True)
        assert counting.state == "ready"
        again, _ = turns(counting, before)
        assert again == pid, "another program"
        assert counting.sh("ls /root/later 2>/dev/null || true") == ""
        assert counting.sh("ip -o -4 address show eth0 | wc -l") == "1"
        done = gateway.gaol("ssh", "counting", "--", "echo", "by ssh", user=alice)
        assert done.stdout == "by ssh\n", done.stderr
    kept = next((gateway.store / ".gaoler/memory").glob("*/there"))
    assert {path.name: path.stat().st_mode & 0o777 for path in kept.iterdir()} == {
        "memory": 0o600,
        "state": 0o600,
        "note.json": 0o600,
    }
    counting.gaol("down", "--force", check=True)
    counting.gaol("restore", "there", "--files", check=True)
    assert counting.state == "stopped"
    counting.gaol("snapshot", "there", "--delete", check=True)
    assert not kept.exists()


def test_a_machine_that_does_not_run_has_no_memory_to_keep(counting):
    counting.gaol("down", check=True)
    done = counting.gaol("snapshot", "none", "--memory")
    assert done.returncode == 1
    assert "is not running" in done.stderr
    assert counting.info()["snapshots"] == []


def test_what_had_a_connection_to_the_machine_stays_with_the_original(counting, gateway, alice):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with gateway.popen("exec", "counting", "--", "cat", user=alice, **pipes) as session:
        session.stdin.write(b"before\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"before\n"
        counting.gaol("snapshot", "talking", "--memory", check=True)
        session.stdin.write(b"after\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"after\n"
        session.communicate()
    counting.gaol("down", "--force", check=True)
    counting.gaol("restore", "talking", check=True)
    until(lambda: "cat" not in counting.sh("ps -o comm= -A").split(), "the session's command has hung up")
