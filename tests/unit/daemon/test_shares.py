"""A user's share of the daemon's time: honest work is never held up, endless asking is, and root never."""

from __future__ import annotations

import pytest

from gaoler.daemon import shares
from gaoler.daemon.shares import BURST, LONGEST, RATE, Shares
from gaoler.errors import LimitReached


class Host:
    """Clocks that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.used = 0.0
        self.waited: list[float] = []
        self.shares = Shares(lambda: self.now, lambda: self.used)
        monkeypatch.setattr(shares.threading, "Event", lambda: self)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def asks(self, uid: int, cost: float) -> None:
        with self.shares.of(uid) as share:
            share.wait()
            self.used += cost


@pytest.fixture
def host(monkeypatch):
    return Host(monkeypatch)


def test_thirty_machines_at_once_and_a_loop_of_lists_are_not_held_up(host):
    for _ in range(30):
        host.asks(1000, 0.02)
    for _ in range(1000):
        host.now += 0.03  # what `gaol ls` takes to start
        host.asks(1000, 0.002)
    assert host.waited == []


def test_who_asks_without_end_gets_his_rate_and_the_others_theirs(host):
    for _ in range(5000):
        host.asks(1000, 0.01)
    assert host.used == pytest.approx(BURST + RATE * host.now, rel=0.01)
    before = len(host.waited)
    host.asks(1001, 0.01)
    host.asks(1001, 0.01)
    assert len(host.waited) == before


def test_far_more_than_his_share_is_refused_with_a_time(host):
    host.asks(1000, BURST + RATE * (LONGEST + 1))
    with pytest.raises(LimitReached, match="share") as refused:
        host.asks(1000, 0.0)
    assert refused.value.code == 5
    assert "sleep " in refused.value.hint
    host.now += LONGEST
    host.asks(1000, 0.0)


def test_root_is_never_held_up(host):
    for _ in range(10):
        host.asks(0, 100.0)
    assert host.waited == []
