"""Sizes and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.errors import Usage
from gaoler.units import duration, show_duration, show_size, size, time_to_live


@pytest.mark.parametrize(
    ("text", "count"),
    [("512M", 512 << 20), ("2g", 2 << 30), ("1048576", 1 << 20), ("4GiB", 4 << 30), ("1.5G", 3 << 29), ("0", 0)],
)
def test_sizes(text, count):
    assert size(text) == count


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800)])
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.G", ".5G", "1.5.5G", "lots", "1X", "9" * 40, "1 M 2", "٣M"])
def test_nonsense_is_refused(text):
    with pytest.raises(Usage):
        size(text)
    with pytest.raises(Usage):
        duration(text)


@given(st.integers(0, 1 << 50))
def test_shown_sizes_are_near(count):
    shown = show_size(count)
    assert len(shown) <= 7
    assert abs(size(shown) - count) <= count / 20
    if "." not in shown:
        assert size(shown) == count


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (3700, "1h1m"), (90061, "1d1h")])
def test_shown_durations(seconds, text):
    assert show_duration(seconds) == text


def test_a_time_to_live_has_a_unit():
    assert time_to_live("2h") == 7200
    with pytest.raises(Usage, match='"2" has no unit: s, m, h, d and w are') as refused:
        time_to_live("2")
    assert refused.value.hint == "2h"
