"""Steps run once, in order, and their errors carry their names."""

import io
import itertools
import threading

import pytest

from gaoler.errors import NotFound
from gaoler.progress import Display, Progress
from gaoler.setup import steps
from gaoler.setup.steps import Step


@pytest.fixture
def out():
    return io.StringIO()


def test_what_is_done_is_not_done_again(out):
    made = []
    listed = [
        Step("store", lambda: "/uml", lambda: made.append("store") or "made"),
        Step("kernel", lambda: "", lambda: made.append("kernel") or "7.2.13"),
    ]
    steps.run(listed, Display(out))
    assert made == ["kernel"]
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["[1/2] store: /uml", "[2/2] kernel ..."]
    assert lines[2].startswith("[2/2] kernel: 7.2.13 (")


def test_an_error_keeps_its_kind_and_stops(out):
    def fail():
        raise NotFound("no source", "none is there", "update gaoler")

    listed = [Step("kernel", lambda: "", fail), Step("base", lambda: pytest.fail("went on"), lambda: "")]
    with pytest.raises(NotFound) as caught:
        steps.run(listed, Display(out))
    assert (caught.value.what, caught.value.why, caught.value.hint) == ("kernel: no source", "none is there", "update gaoler")
    assert caught.value.code == NotFound.code


def test_side_by_side_each_waits_for_the_other(out):
    """Neither could end if one were run after the other."""
    meeting = threading.Barrier(2, timeout=10)

    def step(name):
        return Step(name, lambda: "", lambda: str(meeting.wait() >= 0))

    after = []
    last = Step("machine", lambda: "", lambda: after.append("machine") or "up")
    steps.run([(step("kernel"), step("base")), last], Display(out))
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["[1/3] kernel ...", "[2/3] base ..."]
    assert sorted(line.partition(" (")[0] for line in lines[2:4]) == ["[1/3] kernel: True", "[2/3] base: True"]
    assert after == ["machine"]


def test_of_two_one_may_be_done(out):
    there = Step("kernel", lambda: "7.2.13", lambda: pytest.fail("made again"))
    steps.run([(there, Step("base", lambda: "", lambda: "debian"))], Display(out))
    assert [line.partition(" (")[0] for line in out.getvalue().splitlines()] == [
        "[1/2] kernel: 7.2.13", "[2/2] base ...", "[2/2] base: debian",
    ]  # fmt: skip


def test_when_one_fails_the_other_is_given_up_and_its_error_is_told(out):
    display, begun = Display(out), threading.Event()

    def fail():
        begun.wait(10)
        raise NotFound("no source", "none is there")

    def work():
        for number in itertools.count():
            display.report(Progress("compile", number))
            begun.set()

    with pytest.raises(NotFound, match="kernel: no source"):
        steps.run([(Step("kernel", lambda: "", fail), Step("base", lambda: "", work))], display)
