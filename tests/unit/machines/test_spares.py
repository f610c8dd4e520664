"""Machines made ahead: each is given to one caller at most, or ended once, whoever asks at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gaoler.configuration.model import Configuration
from gaoler.errors import Failed
from gaoler.host.process import Process
from gaoler.machines import observed
from gaoler.machines import spares as spares_module
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.request import Wishes, complete
from gaoler.machines.spares import Key, Spares
from unit.machines.test_record import OWNER, WEB

KEY = Key(OWNER, complete(Configuration(), OWNER, Wishes()), "1", "7.2-abc")
OTHERS = [
    replace(KEY, generation="2"),
    replace(KEY, kernel="7.3-abc"),
    replace(KEY, owner=replace(OWNER, groups=())),
    replace(KEY, request=complete(Configuration(), OWNER, Wishes(network=False))),
    replace(KEY, request=complete(Configuration.model_validate({"limits": {"pids": 64}}), OWNER, Wishes())),
]
LONG = 20.0


class Running:
    """Notes what was ended."""

    def __init__(self):
        self.removed = []

    def remove(self, machine, *, force):
        self.removed.append(machine)


@pytest.fixture
def running():
    return Running()


@pytest.fixture
def spares(running):
    return Spares(running)


def machine():
    made = Machine(WEB.with_(spare=True, ephemeral=True))
    made.happen(observed.was_found, Live(Process(1, 2), 0.0, "7.2", given=False))
    return made


def put(spares, key=KEY, made=None):
    spare = spares.keep(key, 60)
    spare.made.set_result(made or machine())
    return spare.made.result()


def ended(running, count):
    """What is ended in the background."""
    for thread in threading.enumerate():
        if thread.name == "drop":
            thread.join(LONG)
    return len(running.removed) == count


def test_whoever_takes_it_has_it_alone(spares, running):
    made = put(spares)
    assert made.is_spare
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: spares.take(KEY), range(8)))
    assert [one for one in got if one] == [made]
    assert ended(running, 0)


@pytest.mark.parametrize("key", OTHERS)
def test_whatever_has_changed_it_is_ended_and_not_given(spares, running, key):
    assert key != KEY
    put(spares)
    assert spares.take(key) is None
    assert ended(running, 1) and not spares.has(OWNER.uid)


def test_one_that_has_died_is_not_given(spares, running):
    made = put(spares)
    made.happen(observed.ended, None)
    assert spares.take(KEY) is None
    assert ended(running, 1)


def test_one_is_as_good_as_two(spares, running):
    put(spares)
    assert spares.keep(KEY, 60) is None
    assert spares.keep(OTHERS[0], 60) is not None
    assert ended(running, 1) and len(spares) == 1


def test_one_that_is_being_made_is_waited_for(spares):
    spare = spares.keep(KEY, 60)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(spares.take, KEY)
        made = machine()
        spare.made.set_result(made)
        assert taken.result(LONG) is made


def test_one_that_can_not_be_made_is_nobodys(spares, running):
    spare = spares.keep(KEY, 60)
    spares.forget(spare)
    spare.made.set_exception(Failed("no room"))
    assert spares.take(KEY) is None
    assert not spares.spend(None) and ended(running, 0)


def test_it_makes_room_for_its_owner_or_for_anybody(spares, running):
    put(spares)
    assert not spares.spend(OWNER.uid + 1)
    assert spares.spend(OWNER.uid) and ended(running, 1)
    assert not spares.spend(OWNER.uid)
    put(spares)
    assert spares.spend(None) and ended(running, 2)


def test_each_is_used_or_ended_and_never_both(spares, running):
    """Owners, limits and the clock all reach for it at once, again and again."""
    for number in range(200):
        made, start = put(spares), threading.Barrier(3)

        def reach_for(how, start=start):
            start.wait(LONG)
            return how()

        with ThreadPoolExecutor(3) as pool:
            taking = pool.submit(reach_for, lambda: spares.take(KEY))
            for how in (lambda: spares.spend(None), lambda: spares.drop(lambda _: True)):
                pool.submit(reach_for, how)
        assert running.removed.count(made) + (taking.result() is made) == 1, number


def test_after_the_end_there_are_none(spares, running):
    put(spares)
    spares.close()
    assert ended(running, 1)
    assert spares.keep(KEY, 60) is None


def test_one_that_does_not_end_keeps_nobody_waiting_for_good(spares, running, monkeypatch):
    monkeypatch.setattr(spares_module, "_PATIENCE", 0.1)
    over = threading.Event()
    monkeypatch.setattr(running, "remove", lambda machine, force: over.wait(LONG))
    dropping = threading.Thread(target=lambda: spares.drop(lambda _: True))
    put(spares)
    try:
        dropping.start()
        dropping.join(LONG / 2)
        assert not dropping.is_alive()
    finally:
        over.set()
        dropping.join()
