"""Who may come in: there is room for one more, whatever others do, and knocking at a full house is answered ever later."""

from __future__ import annotations

import pytest

from gaoler.daemon.door import CONNECTIONS, CONNECTIONS_OF_ONE, LONGEST, SHORTEST, Door
from gaoler.errors import LimitReached


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def door(clock):
    return Door(clock)


def fill(door, uid) -> int:
    """As many as the user gets."""
    for count in range(CONNECTIONS + 1):
        try:
            door.enter(uid)
        except LimitReached:
            return count
    raise AssertionError("no end")


def test_one_user_gets_their_limit(door):
    assert fill(door, 1000) == CONNECTIONS_OF_ONE


@pytest.mark.parametrize("accounts", [8, 100])
def test_accounts_that_take_all_they_can_get_leave_room_for_others(door, accounts):
    taken = [fill(door, 1000 + number) for number in range(accounts)]
    assert sum(taken) < CONNECTIONS - 100
    for newcomer in range(10):
        door.enter(5000 + newcomer)


def test_what_is_left_is_free_again(door, clock):
    for _ in range(fill(door, 1000)):
        door.leave(1000)
    clock.now += SHORTEST
    assert fill(door, 1000) == CONNECTIONS_OF_ONE


def test_each_refusal_keeps_them_out_for_longer_and_is_forgotten(door, clock):
    fill(door, 1000)
    lengths = []
    for _ in range(10):
        length = 0.0
        while True:
            clock.now += SHORTEST / 2
            length += SHORTEST / 2
            try:
                door.enter(1000)
            except LimitReached as refused:
                if refused.what == "you have too many connections":
                    break
        lengths.append(length)
    assert lengths == sorted(lengths)
    assert lengths[0] == pytest.approx(SHORTEST, abs=SHORTEST)
    assert lengths[-1] == pytest.approx(LONGEST, abs=SHORTEST)
    clock.now += LONGEST
    door.leave(1000)
    door.enter(1000)


def test_asking_while_kept_out_costs_nothing_more(door, clock):
    fill(door, 1000)
    door.leave(1000)
    for _ in range(100):
        with pytest.raises(LimitReached, match="had"):
            door.enter(1000)
    clock.now += SHORTEST * 1.01
    door.enter(1000)


def test_root_always_gets_in(door):
    for number in range(200):
        fill(door, 1000 + number)
    for _ in range(CONNECTIONS):
        door.enter(0)
