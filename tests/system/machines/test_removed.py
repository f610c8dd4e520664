"""What was thrown away, and had back."""

from __future__ import annotations

import signal

import pytest

import published
from gaoler.client import Gaoler
from gaoler.daemon.introspection import description
from gaoler.errors import NotFound
from gaoler.host import btrfs
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def keeping(gateway):
    gateway.restart(machines={"removed": "1h"})
    yield gateway
    for one in gateway.json("ls", "--all"):
        gateway.gaol("rm", "--force", "--now", f"{one['owner']}/{one['name']}")
    gateway.restart()
    until(lambda: _kept(gateway) == [], "nothing is kept where nothing is to be kept")


def killed_at(gateway, moment, monkeypatch, *command, user):
    """A command during which the daemon is killed; another one runs afterwards."""
    try:
        monkeypatch.setenv("GAOLER_FAILPOINT", moment)
        gateway.restart(machines={"removed": "1h"})
        monkeypatch.delenv("GAOLER_FAILPOINT")
        assert gateway.gaol(*command, user=user).returncode == 6
        gateway.process.wait(60)
    finally:
        monkeypatch.delenv("GAOLER_FAILPOINT", raising=False)
        gateway.restart(signal.SIGKILL, machines={"removed": "1h"})


def answered(gaoler, method, **parameters):
    """The reply, which is what is published."""
    reply = gaoler.call(method, **parameters)
    assert published.read(description()).faults(method, reply) == []
    return reply


def _kept(gateway):
    return list((gateway.store / ".gaoler/removed").iterdir())


def test_a_machine_comes_back_with_all_that_it_had(keeping, alice, bob):
    gateway = keeping
    gateway.gaol("up", "web", "--no-network", "--memory", "192M", user=alice, check=True)
    gateway.gaol("exec", "web", "--", "sh", "-c", "echo mine > /srv/mine", user=alice, check=True)
    gateway.gaol("snapshot", "web", "one", user=alice, check=True)
    gone = gateway.gaol("rm", "--force", "web", user=alice, check=True).stdout
    assert gone.startswith("deleted web: ")
    assert "; gaol restore --removed web brings it back until 20" in gone
    assert gateway.json("ls", user=alice) == []
    (kept,) = gateway.json("ls", "--removed", user=alice)
    assert (kept["name"], kept["snapshots"], round(kept["until"] - kept["removed"])) == ("web", ["one"], 3600)
    assert kept["held"] is None or kept["held"] > 0
    assert gateway.gaol("ls", "--removed", user=alice).stdout.split()[:7] == ["NAME", "ID", "BASE", "REMOVED", "UNTIL", "HELD", "SNAPSHOTS"]
    assert gateway.json("ls", "--removed", user=bob) == []
    assert gateway.gaol("restore", "--removed", "web", user=bob).returncode == 3

    gateway.gaol("run", "--no-network", "--", "true", user=alice, check=True)
    assert len(gateway.json("ls", "--removed", user=alice)) == 1, "throw-away machines are not kept"

    gateway.gaol("up", "web", "--no-network", user=alice, check=True)
    taken = gateway.gaol("restore", "--removed", "web", user=alice)
    assert (taken.returncode, 'there is a machine "web" already' in taken.stderr) == (1, True)
    assert "gaol restore --removed web --as NEW-NAME" in taken.stderr
    (still,) = gateway.json("ls", "--removed", user=alice)
    assert still["name"] == "web", "what could not be brought back is there still"
    assert still["until"] == pytest.approx(kept["until"], abs=0.01), "and for no longer"
    # As a daemon leaves it that is killed before it has moved anything.
    (place,) = _kept(gateway)
    btrfs.snapshot(place / "gaol", place / "again")
    back = gateway.gaol("restore", "--removed", "web", "--as", "web2", user=alice, check=True)
    assert back.stdout == "web2 is back, stopped; gaol up web2 starts it\n"
    info = gateway.json("info", "web2", user=alice)
    assert (info["memory"], info["snapshots"], info["state"], info["generation"]) == (192 << 20, ["one"], "stopped", "1")
    (own,) = (gateway.store / ".gaoler/snapshots").glob("*/one")
    assert btrfs.info(own).readonly
    gateway.gaol("up", "web2", user=alice, check=True)
    assert gateway.gaol("exec", "web2", "--", "cat", "/srv/mine", user=alice).stdout == "mine\n"
    assert (gateway.json("ls", "--removed", user=alice), _kept(gateway)) == ([], [])

    gateway.gaol("rm", "--force", "--now", "web", user=alice, check=True)
    assert _kept(gateway) == []
    gateway.gaol("rm", "--force", "web2", user=alice, check=True)
    assert gateway.gaol("rm", "--removed", "web2", user=alice, check=True).stdout == "web2 is gone for good\n"
    assert _kept(gateway) == []
    nothing = gateway.gaol("restore", "--removed", user=alice)
    assert (nothing.returncode, nothing.stderr.splitlines()[0]) == (3, "gaol: no removed machine: nothing can be had back")


@pytest.mark.parametrize("moment", ["aside.moved", "remove.deleted"])
def test_a_daemon_that_is_killed_meanwhile_has_it_all_the_same(keeping, alice, monkeypatch, moment):
    gateway = keeping
    gateway.gaol("up", "first", "--no-network", user=alice, check=True)
    gateway.gaol("down", "--force", "first", user=alice, check=True)
    gateway.gaol("snapshot", "first", "one", user=alice, check=True)
    killed_at(gateway, moment, monkeypatch, "rm", "--force", "first", user=alice)
    assert gateway.json("ls", user=alice) == []
    with Gaoler(str(gateway.socket)) as gaoler:
        there = {"removed": gaoler.removed_list(owner=alice.name)}
        assert published.read(description()).faults("RemovedList", there) == []
        assert [one["name"] for one in there["removed"]] == ["first"]
        machine = answered(gaoler, "RemovedRestore", name="first", owner=alice.name)["machine"]
        assert machine["snapshots"] == ["one"]
        answered(gaoler, "Remove", name=f"{alice.name}/first")
        answered(gaoler, "RemovedDrop", name="first", owner=alice.name)
        with pytest.raises(NotFound, match='no removed machine "first"'):
            gaoler.removed_drop("first", owner=alice.name)
    assert _kept(gateway) == []


def test_a_daemon_that_is_killed_as_it_comes_back_loses_no_snapshot(keeping, alice, monkeypatch):
    gateway = keeping
    gateway.gaol("up", "again", "--no-network", user=alice, check=True)
    for tag in ("one", "two"):
        gateway.gaol("snapshot", "again", tag, user=alice, check=True)
    gateway.gaol("rm", "--force", "again", user=alice, check=True)
    killed_at(gateway, "had.back", monkeypatch, "restore", "--removed", "again", user=alice)
    until(lambda: _kept(gateway) == [], "what the killed daemon left is finished")
    assert gateway.json("ls", "--removed", user=alice) == []
    assert gateway.json("info", "again", user=alice)["snapshots"] == ["one", "two"]
    gateway.gaol("rm", "--force", "--now", "again", user=alice, check=True)


def test_its_time_ends_and_half_of_one_goes(keeping, alice):
    gateway = keeping
    gateway.gaol("up", "late", "--no-network", user=alice, check=True)
    gateway.gaol("rm", "--force", "late", user=alice, check=True)
    (gateway.store / ".gaoler/removed/half").mkdir()
    gateway.restart(machines={"removed": "1h"})
    until(lambda: len(_kept(gateway)) == 1, "what is no machine goes")
    gateway.restart(machines={"removed": "1s"})
    until(lambda: _kept(gateway) == [], "its time is over")
    gateway.restart(machines={"removed": "1h"})
