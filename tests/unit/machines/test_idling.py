"""Idle stop: busy machines live on, idle ones end after their period."""

from hypothesis import given
from hypothesis import strategies as st

from gaoler.machines.idling import BUSY, Mark, judge


def test_idle_for_the_whole_period_ends_it():
    start = Mark(100.0, 5.0)
    assert judge(start, Mark(109.0, 5.01), 10.0) == start
    assert judge(start, Mark(110.0, 5.01), 10.0) is None


def test_work_begins_the_period_anew():
    now = Mark(109.0, 6.0)
    assert judge(Mark(100.0, 5.0), now, 10.0) == now


@given(st.lists(st.floats(0.0, 1.0), max_size=50), st.floats(1.0, 3600.0))
def test_a_machine_that_keeps_working_is_never_stopped(shares, period):
    mark, moment, cpu = Mark(0.0, 0.0), 0.0, 0.0
    for share in shares:
        moment += period
        cpu += period * (BUSY * 1.01 + share)
        kept = judge(mark, Mark(moment, cpu), period)
        assert kept is not None
        mark = kept
