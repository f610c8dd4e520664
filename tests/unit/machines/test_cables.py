"""Descriptors held and let go, with pipes in the place of TAPs: their end is seen at the other side."""

import os
import select

import pytest

from gaoler.machines.cables import Cables


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def ended(reader):
    return bool(select.select([reader], [], [], 0)[0])


def test_a_copy_outlives_the_original_until_it_is_let_go(pipe):
    reader, writer = pipe
    cables = Cables()
    cables.hold("tap0", writer)
    os.close(writer)
    assert not ended(reader)
    cables.let_go("tap0")
    cables.wait_gone("tap0")
    assert ended(reader)


def test_what_was_never_held_is_gone(pipe):
    _, writer = pipe
    cables = Cables()
    cables.let_go("tap0")
    cables.wait_gone("tap0")
    os.close(writer)


def test_a_name_comes_again(pipe):
    reader, writer = pipe
    cables = Cables()
    for _ in range(20):
        cables.wait_gone("tap0")
        cables.hold("tap0", writer)
        cables.let_go("tap0")
    cables.wait_gone("tap0")
    os.close(writer)
    assert ended(reader)
