"""The time of day is set forward and back; how long machines may run or idle is measured by what is not."""

from __future__ import annotations

import ast
import os
import time
from pathlib import Path

import pytest

import gaoler.machines
from gaoler.host.process import open_process
from gaoler.machines import clocks
from gaoler.machines.live import Live
from gaoler.machines.monitor import Monitor

LABELS = {
    "accounts.py": 4, "jailing.py": 1, "leavers.py": 1, "making.py": 1, "registry.py": 1, "running.py": 1, "sharing.py": 2, "clocks.py": 1,
    "draining.py": 1, "removed.py": 1,
}  # fmt: skip
"""Where the time of day is asked for: when a machine was made, started, and will end, for people to read, as a drain; until when somebody
shares one, which is a time of day that they have named; and since when an account has gone, or a machine was removed, which is
counted in days and outlasts reboots; and how old the note is that something was lost."""
DAY = 86400.0


@pytest.fixture
def clock():
    return [1000.0]


def test_callbacks_come_in_their_order_when_their_time_is_over(clock):
    monitor, called = Monitor(lambda: clock[0]), []
    for seconds in (20.0, 5.0, 5.0, -1.0):
        monitor.after(seconds, lambda seconds=seconds: called.append(seconds))
    for now, wanted in ((1000.0, [-1.0]), (1004.9, []), (1005.0, [5.0, 5.0]), (1000.0 + DAY, [20.0])):
        clock[0], called[:] = now, []
        for callback in monitor._due():
            callback()
        assert called == wanted


def test_the_host_may_sleep_for_longer_than_the_monitor_does(clock):
    monitor = Monitor(lambda: clock[0])
    assert monitor._patience() is None
    monitor.after(DAY, lambda: None)
    assert monitor._patience() == 60.0
    clock[0] += DAY
    assert monitor._patience() == 0.0


@pytest.mark.parametrize("jump", [-400 * DAY, -1.0, 400 * DAY])
def test_what_is_left_of_a_machines_time_is_the_same_after_the_clock_was_set(monkeypatch, jump):
    ours = open_process(os.getpid())
    live = Live(ours, time.time(), "7.2-abc")
    age = ours.age()
    now = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: now)
    assert 0 <= ours.age() - age < 60
    assert clocks.expires(live, 3600) - now == pytest.approx(3600 - ours.age(), abs=60)


def test_the_time_of_day_is_for_people_alone():
    asked = {}
    for path in Path(gaoler.machines.__file__).parent.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        count = sum(ast.unparse(call.func) in ("time.time", "datetime.now") for call in calls)
        if count:
            asked[path.name] = count
    assert asked == LABELS
