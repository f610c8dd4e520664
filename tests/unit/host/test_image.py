"""An image is copied as it is, with its holes, and no more of it than was said."""

import os

import pytest

from gaoler.errors import Failed
from gaoler.host import image

SIZE = 64 << 20
PLACES = {0: b"first", 5 << 20: b"x" * (3 << 20), (20 << 20) + 4096: b"odd" * 5000, SIZE - 4096: b"last".ljust(4096)}


@pytest.fixture
def source():
    found = os.memfd_create("source")
    os.ftruncate(found, SIZE)
    for place, data in PLACES.items():
        os.pwrite(found, data, place)
    yield found
    os.close(found)


@pytest.fixture
def target():
    made = os.memfd_create("target")
    yield made
    os.close(made)


def test_holes_stay_holes(source, target):
    copied = image.copy(source, target, SIZE)
    assert os.fstat(target).st_blocks == os.fstat(source).st_blocks == copied // 512
    assert os.fstat(target).st_size == SIZE
    for at in range(0, SIZE, 1 << 20):
        assert os.pread(target, 1 << 20, at) == os.pread(source, 1 << 20, at)


def test_what_is_too_large_is_refused(source, target):
    with pytest.raises(Failed, match="gives no image"):
        image.copy(source, target, SIZE - 1)
    assert os.fstat(target).st_size == 0


def test_an_empty_one_is_copied(target):
    empty = os.memfd_create("empty")
    try:
        assert image.copy(empty, target, SIZE) == 0
    finally:
        os.close(empty)
