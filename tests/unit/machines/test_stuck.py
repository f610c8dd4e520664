"""A machine that something is done to without end, since its owner's home hangs, say, stalls nobody else."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gaoler import background
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed
from gaoler.host.process import Process
from gaoler.machines import autostart, draining, observed
from gaoler.machines import machine as machine_module
from gaoler.machines.changing import Changing
from gaoler.machines.copies import Copies
from gaoler.machines.leavers import Leavers
from gaoler.machines.live import Live
from gaoler.machines.machine import Busy, Machine
from gaoler.machines.portable import Portable
from gaoler.machines.rebasing import Rebasing
from gaoler.machines.running import Running
from gaoler.machines.sharing import Sharing
from gaoler.machines.sleeping import Sleeping
from gaoler.machines.snapshots import Snapshots
from gaoler.store.paths import Paths
from unit.machines.test_record import OWNER, WEB

LIVE = Live(Process(10, 20), 1.0, "7.2-abc", agent=True)
LONG = 30.0


@contextmanager
def stuck(machine):
    """Somebody has its lock, and keeps it."""
    held, over = threading.Event(), threading.Event()

    def hang():
        with machine.lock:
            held.set()
            over.wait(LONG)

    thread = threading.Thread(target=hang)
    thread.start()
    try:
        assert held.wait(LONG)
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def running():
    found = Running(SimpleNamespace(configuration=Configuration()), SimpleNamespace(network=None), None, None, None)
    found.knocking = SimpleNamespace()
    return found


@pytest.fixture
def doings(running, tmp_path):
    """What people, and the daemon for all of them, do to machines."""
    paths = SimpleNamespace(paths=Paths(tmp_path / "store", tmp_path / "run"))
    snapshots, copies = Snapshots(None, None, None, None), Copies(None, None, None, None)
    sleeping = Sleeping(None, None, running, SimpleNamespace(write_out=lambda _: None), snapshots, copies)
    sharing = Sharing(None, None, None)
    return {
        "stop": running.stop,
        "remove": running.remove,
        "freeze": running.freeze,
        "thaw": running.thaw,
        "sleep": sleeping.sleep,
        "snapshot": lambda machine: snapshots.take(machine, "one"),
        "copy": lambda machine: copies.take(machine, "one"),
        "forget": lambda machine: copies.forget(machine, "one"),
        "restore": lambda machine: snapshots.restore(machine, "one"),
        "change": lambda machine: Changing(None, None, None, None, None).change(machine, {"memory": 1 << 30}),
        "rename": lambda machine: Changing(None, None, None, None, None).rename(machine, "new"),
        "unshare": lambda machine: sharing.unshare(machine, "bob"),
        "rebase": lambda machine: Rebasing(None, None, None, None, None).rebase(machine, print),
        "export": lambda machine: Portable(None, paths, None, None, None).pack(machine, 1, print),
        "give": lambda machine: Leavers(None, None, None, None, None, None, None).give(machine, OWNER),
    }


@pytest.mark.parametrize(
    "doing",
    ["stop", "remove", "freeze", "thaw", "sleep", "snapshot", "copy", "forget", "restore", "change", "rename", "unshare",
     "rebase", "export", "give"],
)  # fmt: skip
def test_whoever_wants_something_of_it_does_not_wait_for_ever(doings, doing, monkeypatch):
    monkeypatch.setattr(machine_module, "_BUSY", 0.05)
    machine = Machine(WEB)
    if doing in ("thaw", "sleep"):
        machine.happen(observed.was_found, LIVE, frozen=doing == "thaw")
    with stuck(machine), pytest.raises(Busy, match="web is busy"):
        doings[doing](machine)


def test_thawing_what_does_not_stand_still_waits_for_nothing(running):
    machine = Machine(WEB)
    with stuck(machine):
        running.thaw(machine)
        assert machine.lock.acquire(blocking=False) is False, "it is stuck still"


def test_each_is_done_so_many_at_once():
    lock, most, now = threading.Lock(), 0, 0

    def work(one):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.01)
        with lock:
            now -= 1
        if one == "fails":
            raise ValueError(one)
        return one == "good"

    wanted = ["fails", "bad", *("good",) * 6]
    assert background.each(work, wanted, "test", at_once=2, patience=LONG) == 6
    assert most == 2


def test_one_that_hangs_takes_no_place_for_good():
    over, done = threading.Event(), threading.Semaphore(0)

    def work(one):
        if one == "hangs":
            return over.wait(LONG)
        done.release()
        return True

    try:
        background.each(work, ["hangs", "hangs", "good", "hangs", "hangs", "good"], "test", at_once=2, patience=0.1)
        assert all(done.acquire(timeout=LONG / 2) for _ in range(2))
    finally:
        over.set()


class Noted(list):
    """`whole` is set once there are so many."""

    def __init__(self, count):
        super().__init__()
        self.count, self.whole = count, threading.Event()

    def append(self, one):
        super().append(one)
        if len(self) == self.count:
            self.whole.set()


def machines(*names):
    found = [Machine(replace(WEB, id=f"{number:012x}", name=name, autostart=True)) for number, name in enumerate(names)]
    return SimpleNamespace(
        all=lambda: found, configuration=Configuration.model_validate({"limits": {"autostart": 99}}), is_orphan=lambda _: False
    )


def test_a_drain_puts_down_all_but_those_that_hang_and_comes_back_for_them(tmp_path, monkeypatch):
    monkeypatch.setattr(draining, "_PATIENCE", 0.1)
    registry, over, later, put = machines("a", "b", "c", "d", "e", "f"), threading.Event(), [], Noted(2)
    for machine in registry.all():
        machine.happen(observed.was_found, LIVE)

    def sleep(machine):
        if machine.record.name in "abcd":
            over.wait(LONG)
        elif machine.record.name == "e":
            raise Failed("e can't sleep")
        else:
            put.append(("asleep", machine.record.name))

    running = SimpleNamespace(allotment=SimpleNamespace(), stop=lambda machine, **_: put.append(("down", machine.record.name)))
    found = draining.Draining(
        tmp_path / "drain", registry, None, running, SimpleNamespace(sleep=sleep), SimpleNamespace(drop=lambda _: None),
        SimpleNamespace(after=lambda seconds, callback: later.append(seconds)), lambda: None,
    )  # fmt: skip
    found.now = drain = draining.Drain(0.0, "root", "", stop=False)
    putting = threading.Thread(target=found._put_down, args=(drain,))
    try:
        putting.start()
        putting.join(LONG / 2)
        assert not putting.is_alive(), "it waits for those that hang"
        assert put.whole.wait(LONG / 2)
        assert sorted(put) == [("asleep", "f"), ("down", "e")]
        assert later == [draining._AGAIN]
    finally:
        over.set()
        putting.join()


def test_one_that_may_be_falling_asleep_is_not_stopped_by_a_drain(tmp_path):
    def sleep(machine):
        raise Busy("web is busy")

    registry, stopped, later = machines("web"), [], []
    registry.all()[0].happen(observed.was_found, LIVE)
    running = SimpleNamespace(allotment=SimpleNamespace(), stop=lambda machine, **_: stopped.append(machine))
    found = draining.Draining(
        tmp_path / "drain", registry, None, running, SimpleNamespace(sleep=sleep), SimpleNamespace(drop=lambda _: None),
        SimpleNamespace(after=lambda seconds, callback: later.append(seconds)), lambda: None,
    )  # fmt: skip
    found.now = drain = draining.Drain(0.0, "root", "", stop=False)
    found._put_down(drain)
    assert (stopped, later) == ([], [draining._AGAIN])


def test_starts_that_hang_keep_neither_the_others_down_nor_the_boot_from_being_noted(monkeypatch):
    monkeypatch.setattr(autostart.os, "cpu_count", lambda: 2)
    registry, over, noted, started = machines("a", "b", "c"), threading.Event(), threading.Event(), Noted(1)
    monkeypatch.setattr(autostart, "_LONGER", 0.1 - registry.configuration.machines.deadline)

    def start(machine):
        if machine.record.name in "ab":
            over.wait(LONG)
        started.append(machine.record.name)
        raise Failed("no room")

    try:
        boot = SimpleNamespace(is_first=True, note=noted.set)
        autostart.Autostart(registry, SimpleNamespace(start=start), boot).begin()
        assert noted.wait(LONG / 2)
        assert started.whole.wait(LONG / 2)
        assert started == ["c"]
    finally:
        over.set()
