"""The token bucket."""

from __future__ import annotations

from gaoler.machines.pace import Pace


def test_a_burst_then_a_rate():
    now = [100.0]
    pace = Pace(10, 2, lambda: now[0])
    assert [pace.take(1) for _ in range(10)] == [0.0] * 10
    assert pace.take(1) == 0.5
    assert pace.take(1) == 1.0
    now[0] += 1.0
    assert pace.take(0) == 0.0
    assert pace.take(2) == 1.0


def test_silence_earns_no_more_than_a_burst():
    now = [0.0]
    pace = Pace(10, 2, lambda: now[0])
    now[0] = 1e6
    assert pace.take(10) == 0.0
    assert pace.take(4) == 2.0
