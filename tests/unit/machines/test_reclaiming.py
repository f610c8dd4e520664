from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.machines.reclaiming import IDLE, LEAST, Holding, Idleness, demands, look, missing

GB = 1 << 30
MB = 1 << 20


@pytest.mark.parametrize(
    ("available", "stalled", "wanted"),
    [
        (8 * GB, 0.0, 0),
        (GB, 0.0, round(0.6 * GB)),
        (3 * GB, 20.0, round(0.32 * GB)),
        (8 * GB, 60.0, 0),
        (0, 90.0, round(1.6 * GB)),
    ],
)
def test_the_host_wants_what_it_lacks(available, stalled, wanted):
    assert missing(16 * GB, available, stalled) == pytest.approx(wanted, abs=2)


def test_who_has_most_gives_most_and_who_has_little_is_left_alone():
    there = [Holding("a1", 1, 800 * MB), Holding("a2", 1, 800 * MB), Holding("b", 2, 900 * MB), Holding("c", 3, 100 * MB)]
    asked = demands(there, 600 * MB)
    assert set(asked) == {"a1", "a2", "b"} or set(asked) == {"a1", "a2"}
    assert asked["a1"] == asked["a2"] > asked.get("b", 0)
    assert "c" not in asked


def test_alike_all_give():
    asked = demands([Holding("a", 1, 100 * MB), Holding("b", 2, 100 * MB)], 50 * MB)
    assert asked == {"a": 25 * MB, "b": 25 * MB}
    assert demands([Holding("only", 1, 300 * MB)], 50 * MB) == {"only": 50 * MB}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8 * GB)), max_size=12), st.integers(0, 32 * GB))
def test_nobody_is_asked_for_more_than_they_have_nor_all_for_more_than_is_wanted(there, wanted):
    holdings = [Holding(f"m{number}", owner, memory) for number, (owner, memory) in enumerate(there)]
    asked = demands(holdings, wanted)
    assert sum(asked.values()) <= wanted + len(holdings)
    assert all(LEAST <= asked[one.machine] <= one.memory + 1 for one in holdings if one.machine in asked)


def test_an_idle_machine_gives_until_there_is_nothing_more():
    known, asked = look(None, 0.0, 1.0, 100 * MB, 0.01)
    assert not asked
    known, asked = look(known, IDLE - 1, 1.0, 100 * MB, 0.01)
    assert not asked
    known, asked = look(known, IDLE + 1, 1.01, 100 * MB, 0.01)
    assert asked == 50 * MB
    known, asked = look(known, IDLE + 6, 1.01, 60 * MB, 0.01)
    assert asked == 30 * MB, "it gave, so it may have more"
    known, asked = look(known, IDLE + 11, 1.01, 59 * MB, 0.01)
    assert not asked, "it had no more"
    known, asked = look(known, IDLE + 20, 9.0, 90 * MB, 0.01)
    assert not asked
    assert known == Idleness(IDLE + 20, 9.0), "it works again"
