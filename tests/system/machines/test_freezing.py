"""Frozen machines stand still, and go on where they were."""

from __future__ import annotations

import os

import pytest

from gaoler.host import cgroup
from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

COUNTING = "i=0; while :; do i=$((i+1)); echo $i > /root/count; done"


@pytest.fixture
def counting(quiet):
    """A machine with a program that counts as fast as it can."""
    quiet.sh(f"setsid sh -c '{COUNTING}' </dev/null >/dev/null 2>&1 & until test -s /root/count; do :; done")
    return quiet


def cpu(machine) -> float:
    (row,) = machine.gateway.json("top", user=machine.user)
    return row["cpu_seconds"]


def test_it_stands_still_and_goes_on(counting):
    counting.gaol("freeze", check=True)
    assert counting.state == "frozen"
    before = cpu(counting)
    done = counting.exec("true")
    assert done.returncode == 125 and "try: gaol thaw quiet" in done.stderr
    assert cpu(counting) == before
    counting.gaol("freeze", check=True)
    counting.gaol("thaw", check=True)
    assert counting.state == "ready"
    until(lambda: cpu(counting) > before, "it counts again")
    counted = lambda: int(counting.sh("cat /root/count") or 0)  # which is empty for the moment in which it is written
    count = counted()
    until(lambda: counted() > count, "it counts on")
    counting.gaol("thaw", check=True)


@pytest.mark.parametrize("verb", [("down",), ("down", "--force"), ("rm", "--force")])
def test_it_can_be_stopped_as_any_other(counting, verb):
    counting.gaol("freeze", check=True)
    counting.gaol(*verb, check=True)
    if verb[0] == "down":
        assert counting.state == "stopped"


def test_up_lets_it_go_on(counting):
    counting.gaol("freeze", check=True)
    counting.up()
    assert (counting.state, counting.exec("true").returncode) == ("ready", 0)


def test_a_snapshot_of_it_is_taken_with_a_note(counting):
    counting.gaol("freeze", check=True)
    done = counting.gaol("snapshot", "one", check=True)
    assert "as after a power cut" in done.stderr
    assert counting.state == "frozen"


@pytest.mark.parametrize("number", [9, 15])
def test_the_next_daemon_finds_it_frozen(counting, gateway, number):
    pid = counting.info()["pid"]
    counting.gaol("freeze", check=True)
    gateway.restart(number)
    info = counting.info()
    assert (info["state"], info["pid"]) == ("frozen", pid)
    counting.gaol("thaw", check=True)
    until(lambda: counting.state == "ready", "it goes on")
    assert counting.exec("echo", "there").stdout == "there\n"


def test_many_at_once(gateway, alice, bob, warden):
    names = ("one", "two", "three")
    with (
        running(gateway, alice, "one", "--no-network"),
        running(gateway, alice, "two", "--no-network"),
        running(gateway, alice, "three", "--no-network"),
    ):
        every = [f"{alice.name}/{name}" for name in names]
        assert gateway.gaol("freeze", *every, user=bob).returncode == 3
        gateway.gaol("freeze", *every, user=warden, check=True)
        assert {one["state"] for one in gateway.json("ls", user=alice)} == {"frozen"}
        gateway.gaol("thaw", *names, user=alice, check=True)
        assert {one["state"] for one in gateway.json("ls", user=alice)} == {"ready"}


def test_what_does_not_run_can_not_be_frozen(quiet):
    quiet.gaol("down", "--force", check=True)
    done = quiet.gaol("freeze")
    assert (done.returncode, "is not running" in done.stderr) == (1, True)
    assert quiet.gaol("thaw").returncode == 0


def test_a_group_that_has_gone(gateway):
    """Of which nothing is frozen, and nothing need be thawed."""
    gone = f"{cgroup.PARENT}/{gateway.prefix}-none-{os.getpid()}"
    cgroup.thaw(gone)
    assert not cgroup.is_frozen(gone)
