"""Clones made ahead: taken once, never of what a base is no longer. btrfs is played by directories."""

import uuid

import pytest

from gaoler.bases.ahead import Spares
from gaoler.host import btrfs


class Subvolumes:
    """Directories with an identity and a flag."""

    def __init__(self):
        self.known = {}

    def create(self, path, *, readonly=False):
        path.mkdir()
        self.known[path] = btrfs.SubvolumeInfo(1, uuid.uuid4(), 1, readonly, None)

    def snapshot(self, tree, path):
        assert tree in self.known
        path.mkdir()
        (path / tree.name).touch()

    def info(self, path):
        return self.known[path]

    def delete(self, path):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


@pytest.fixture
def subvolumes(monkeypatch):
    fake = Subvolumes()
    for name in ("snapshot", "info", "delete"):
        monkeypatch.setattr(btrfs, name, getattr(fake, name))
    return fake


@pytest.fixture
def spares(tmp_path):
    (tmp_path / "spares").mkdir()
    return Spares(tmp_path / "spares")


def left(tmp_path):
    return len(list((tmp_path / "spares").iterdir()))


def test_there_is_none_at_first(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1", readonly=True)
    assert not spares.take("debian", tmp_path / "1", tmp_path / "gaol")
    assert not (tmp_path / "gaol").exists()


def test_one_is_taken_once(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1", readonly=True)
    spares.make("debian", tmp_path / "1")
    spares.make("debian", tmp_path / "1")
    assert left(tmp_path) == 1
    assert spares.take("debian", tmp_path / "1", tmp_path / "gaol")
    assert (tmp_path / "gaol" / "1").exists()
    assert not spares.take("debian", tmp_path / "1", tmp_path / "other")
    assert left(tmp_path) == 0


def test_a_new_generation_takes_the_old_ones_place(spares, subvolumes, tmp_path):
    for number in "12":
        subvolumes.create(tmp_path / number, readonly=True)
        spares.make("debian", tmp_path / number)
    assert left(tmp_path) == 1
    assert not spares.take("debian", tmp_path / "1", tmp_path / "gaol")
    assert spares.take("debian", tmp_path / "2", tmp_path / "gaol")


def test_another_subvolume_at_the_same_path_is_another(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1", readonly=True)
    spares.make("debian", tmp_path / "1")
    subvolumes.delete(tmp_path / "1")
    subvolumes.create(tmp_path / "1", readonly=True)
    assert not spares.take("debian", tmp_path / "1", tmp_path / "gaol")


def test_what_may_change_is_not_cloned_ahead(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1")
    spares.make("debian", tmp_path / "1")
    assert left(tmp_path) == 0


def test_an_earlier_daemons_are_cleared(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1", readonly=True)
    spares.make("debian", tmp_path / "1")
    Spares(tmp_path / "spares").clear()
    assert left(tmp_path) == 0


def test_a_base_that_goes_takes_its_spare_along(spares, subvolumes, tmp_path):
    subvolumes.create(tmp_path / "1", readonly=True)
    spares.make("debian", tmp_path / "1")
    spares.drop("debian")
    spares.drop("debian")
    assert left(tmp_path) == 0
