"""What was thrown away: how much of it goes at once, and what two who are at it at the same time do to each other."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gaoler.configuration.model import Configuration, Machines
from gaoler.errors import Failed
from gaoler.host import btrfs
from gaoler.kernels.kernel import Kernel
from gaoler.machines import record, removed
from gaoler.machines.machine import Machine
from gaoler.machines.registry import NameTaken
from gaoler.machines.removed import PERIOD, Removed
from gaoler.machines.request import Request
from unit.machines.test_record import OWNER, WEB

BOB = replace(OWNER, name="bob", uid=1001)


class House:
    """What the removed machines of a store are held by. Trees are directories here, whose rest is the system tests' matter."""

    def __init__(self, root):
        self.paths = SimpleNamespace(**{name: root / name for name in ("removed", "snapshots", "kernels", "gaols", "records")})
        for path in vars(self.paths).values():
            path.mkdir()
        self.configuration = Configuration(machines=Machines(removed=3600))
        self.machines: list[Machine] = []
        self.network = self.taken = None
        self.asked: list[float] = []
        self.removed = Removed(self, self, self, self, self, self)

    # the registry's, the jailer's, the quotas'
    def all(self):
        return self.machines

    def directory(self, of):
        return self.paths.records / of.id

    def gaol(self, of):
        return self.paths.gaols / of.id

    def held(self, of):
        return of

    # the monitor's
    def after(self, seconds, _):
        self.asked.append(seconds)

    # what makes and removes
    def create(self, owner, name, request, *, populate, origin):
        if self.taken:
            raise self.taken
        machine = Machine(replace(WEB, id="new", name=name, owner=owner))
        self.machines.append(machine)
        populate(self.gaol(machine.record))
        return machine

    def remove(self, machine, *, force, aside):
        """As somebody else's that fails meanwhile, and takes the place away with it."""
        self.removed._place(machine.record).rmdir()
        assert aside is not None
        aside(machine.record)

    def keep(self, identity, owner=OWNER, age=0.0, snapshots=()):
        """A machine that was removed so many seconds ago."""
        place = self.paths.removed / identity
        (place / "gaol").mkdir(parents=True, exist_ok=True)
        for tag in snapshots:
            (place / "snapshots" / tag).mkdir(parents=True)
        (place / "record.json").write_bytes(record.encode(replace(WEB, id=identity, owner=owner)))
        then = time.time() - age
        removed.os.utime(place, (then, then))
        return place

    def there(self):
        return sorted(path.name for path in self.paths.removed.iterdir())


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(btrfs, "snapshot", lambda source, target, **_: shutil.copytree(source, target))
    monkeypatch.setattr(btrfs, "delete", lambda path: shutil.rmtree(path, ignore_errors=True))
    monkeypatch.setattr(btrfs, "set_readonly", lambda path, flag: path.chmod(0o500 if flag else 0o700))
    monkeypatch.setattr(btrfs, "group", lambda _, number: None)
    monkeypatch.setattr(removed.space, "spare", lambda _: 1)
    return House(tmp_path)


def test_a_moment_of_shortage_takes_one_alone(house, monkeypatch):
    for age, (identity, owner) in enumerate([("newest", OWNER), ("newer", BOB), ("old", OWNER)]):
        house.keep(identity, owner, age * 60)
    monkeypatch.setattr(removed.space, "spare", lambda _: 0)
    house.removed.sweep()
    assert house.there() == ["newer", "newest"], "the room that the oldest had comes back in a while"
    house.removed.sweep()
    assert house.there() == ["newest"], "and was not enough"
    house.keep("over", BOB, 7200)
    house.removed.sweep()
    assert house.there() == ["newest"], "what goes anyway makes room, too"


def test_an_owner_who_is_short_loses_one_at_a_time_and_others_none(house, monkeypatch):
    short = {OWNER.quota, BOB.quota}
    monkeypatch.setattr(btrfs, "group", lambda _, number: btrfs.Quota(99 if number in short else 1, 100))
    carol = replace(OWNER, name="carol", uid=1002)
    for age, (identity, owner) in enumerate([("a1", OWNER), ("a2", OWNER), ("b1", BOB), ("b2", BOB), ("c1", carol), ("c2", carol)]):
        house.keep(identity, owner, age * 60)
    house.removed.sweep()
    assert house.there() == ["a1", "b1", "c1", "c2"]


def test_a_tree_that_cannot_be_deleted_hinders_no_other(house, monkeypatch, caplog):
    def delete(path):
        if path.parent.name in ("stuck", "half"):
            raise Failed(f"{path} can't be deleted", "input/output error", "dmesg")
        shutil.rmtree(path, ignore_errors=True)

    for identity in ("stuck", "half", "over"):
        house.keep(identity, BOB, 7200)
    (house.paths.removed / "half" / "record.json").unlink()  # as a daemon leaves it that is killed
    house.keep("old", OWNER, 60)
    house.keep("new", OWNER)
    monkeypatch.setattr(btrfs, "delete", delete)
    house.removed.sweep()
    assert house.there() == ["half", "new", "old", "stuck"]
    assert {entry.args[0] for entry in caplog.records if entry.levelname == "ERROR"} == {"half", "stuck"}, "somebody is to know"
    monkeypatch.setattr(removed.space, "spare", lambda _: 0)
    house.keep("stuck", BOB, 600)
    house.removed.sweep()
    assert house.there() == ["half", "new", "stuck"], "one that stays makes no room"
    monkeypatch.setattr(btrfs, "delete", lambda path: shutil.rmtree(path, ignore_errors=True))
    monkeypatch.setattr(removed.space, "spare", lambda _: 1)
    house.removed.sweep()
    assert house.there() == ["new"], "and is tried again"


def test_two_who_remove_one_keep_it_all_the_same(house):
    machine = Machine(WEB)
    house.gaol(WEB).mkdir()
    house.directory(WEB).mkdir()
    (house.directory(WEB) / "record.json").write_bytes(record.encode(WEB))
    assert house.removed.remove(machine, force=True) is not None
    assert house.there() == [WEB.id]
    assert not house.gaol(WEB).exists()


def test_a_restore_that_was_cut_short_is_no_hindrance_to_the_next_one(house):
    place = house.keep("old", snapshots=["one"])
    (place / "again").mkdir()  # as a daemon leaves it that is killed
    house.taken = NameTaken('there is a machine "web" already', "", "gaol up web")
    (kept,) = house.removed.of(OWNER)
    with pytest.raises(NameTaken) as refused:
        house.removed.restore(OWNER, kept, None)
    assert refused.value.hint == "gaol restore --removed web --as NEW-NAME"
    (still,) = house.removed.of(OWNER)
    assert still.until == pytest.approx(kept.until, abs=0.001), "an attempt doesn't keep it for longer"
    house.taken = None
    house.removed.restore(OWNER, kept, "other")
    assert [path.name for path in (house.paths.snapshots / "new").iterdir()] == ["one"]
    assert house.there() == []


def test_snapshots_come_to_those_that_are_taken_meanwhile(house):
    place = house.keep("old", snapshots=["one", "two"])
    (place / "snapshots" / "two" / "file").touch()
    (house.paths.snapshots / "new" / "two").mkdir(parents=True)
    (kept,) = house.removed.of(OWNER)
    house.removed.restore(OWNER, kept, None)
    own = house.paths.snapshots / "new"
    assert sorted(path.name for path in own.iterdir()) == ["one", "two"]
    assert not (own / "two" / "file").exists(), "what its owner has taken is not overwritten"
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o500}, "read-only, as they were"


@contextmanager
def somebody_at(machine):
    """Somebody who holds its lock."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with machine.lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_restore_waits_for_nobody_and_a_sweep_brings_the_snapshots_later(house, monkeypatch):
    monkeypatch.setattr(removed, "_MOMENT", 0.01)
    house.keep("old", snapshots=["one"])
    created = Machine(replace(WEB, id="new"))

    def create(owner, name, request, *, populate, origin):
        house.machines.append(created)
        populate(house.gaol(created.record))
        return created

    house.create = create
    with somebody_at(created):
        house.removed.restore(OWNER, house.removed.of(OWNER)[0], None)
        house.removed.sweep()
        assert house.there() == ["old"], "its snapshots are there still"
        assert house.removed.of(OWNER) == [], "and it is not there twice"
    house.removed.sweep()
    assert house.there() == []
    assert (house.paths.snapshots / "new" / "one").is_dir()


def test_sweeps_do_not_pile_up_and_none_is_the_last(house, monkeypatch, caplog):
    def fails():
        assert house.asked == [], "the next one is asked for when this one has ended"
        raise ValueError("of all things")

    monkeypatch.setattr(house, "all", fails)
    monkeypatch.setattr(removed.background, "begin", lambda work, _: work())
    house.removed.start()
    assert house.asked == [PERIOD]
    assert "of all things" in caplog.text


def test_a_kernel_that_has_gone_is_not_asked_for(tmp_path):
    of = replace(WEB, kernel="6.12-01234567")
    assert Request.of(of).kernel == of.kernel
    assert Request.of(of, [Kernel("6.12", "01234567", tmp_path)]).kernel == of.kernel
    assert Request.of(of, []).kernel is None
    assert Request.of(of).shape() == of.shape()
