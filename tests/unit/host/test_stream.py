"""What is shown of a long program that failed."""

import re

import pytest

from gaoler.errors import Failed
from gaoler.host.stream import OUTPUT, TAIL, stream


def _fails(script: str, **options) -> str:
    with pytest.raises(Failed) as caught:
        stream(["sh", "-c", script], lambda line: None, what="it does not work", **options)
    return caught.value.why


def test_the_last_lines():
    assert _fails(f"seq {2 * TAIL}; exit 3").split()[-TAIL:] == [str(number) for number in range(TAIL + 1, 2 * TAIL + 1)]


def test_lines_that_tell_why_however_long_ago():
    why = _fails("echo 'a.c:1: error: no such thing'; seq 100; exit 2", telling=re.compile("error: "))
    assert "a.c:1: error: no such thing" in why
    assert "\n    100" not in why


def test_the_last_lines_where_none_tells_why():
    assert "\n    100" in _fails("seq 100; exit 2", telling=re.compile("error: "))


def test_a_descriptor_beside_the_output_leads_to_the_same_reader():
    told: list[str] = []
    script = f"echo one >&{OUTPUT}; exec {OUTPUT}>&-; echo two"
    stream(["bash", "-c", script], told.append, what="it does not work")
    assert told == ["one", "two"]


def test_nobody_else_is_given_that_descriptor():
    told: list[str] = []
    stream(["ls", "/proc/self/fd"], told.append, what="it does not work")
    assert told == ["0", "1", "2", "3"]  # the last one is of ls itself
