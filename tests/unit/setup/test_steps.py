"""Steps run once, in order, and their errors carry their names."""

import io

import pytest

from gaoler.errors import NotFound
from gaoler.progress import Display
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
