"""Where control groups lie, on both versions."""

from __future__ import annotations

import pytest

from gaoler.errors import Failed
from gaoler.host import cgroup


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    return tmp_path


def test_version_2_has_one_directory(root):
    (root / "cgroup.controllers").touch()
    assert cgroup.directories("/gaoler/one") == [root / "gaoler/one"]
    assert cgroup.directories("gaoler/one") == [root / "gaoler/one"]


def test_version_1_has_one_for_each_hierarchy(root):
    for name in ("memory", "cpu,cpuacct", "unified"):
        (root / name).mkdir()
    (root / "cpu").symlink_to("cpu,cpuacct")
    assert sorted(cgroup.directories("one")) == [root / "cpu,cpuacct/one", root / "memory/one"]


def test_members_are_those_of_all_hierarchies_and_removal_is_idempotent(root):
    for name, pids in (("memory", "1\n2\n"), ("cpu", "2\n3\n")):
        (root / name / "one").mkdir(parents=True)
        (root / name / "one/cgroup.procs").write_text(pids)
    assert cgroup.processes("one") == {1, 2, 3}
    assert cgroup.processes("none") == set()
    for name in ("memory", "cpu"):
        (root / name / "one/cgroup.procs").unlink()
    cgroup.remove("one")
    cgroup.remove("one")
    assert not (root / "memory/one").exists()


@pytest.mark.parametrize("path", ["", "/", "a/../..", ".."])
def test_never_the_root_nor_anything_outside(root, path):
    with pytest.raises(Failed):
        cgroup.directories(path)


@pytest.mark.parametrize("there", [["io.weight"], ["io.bfq.weight"], ["io.weight", "io.bfq.weight"], []])
def test_disks_are_weighed_where_the_host_has_it(root, there):
    (root / "cgroup.controllers").touch()
    (root / "one").mkdir()
    for name in there:
        (root / "one" / name).touch()
    cgroup.weigh_io("/one")
    assert {path.name: path.read_text() for path in (root / "one").iterdir()} == dict.fromkeys(there, "default 20")


def test_version_1_is_not_weighed(root):
    (root / "blkio/one").mkdir(parents=True)
    (root / "blkio/one/io.weight").touch()
    cgroup.weigh_io("one")
    assert not (root / "blkio/one/io.weight").read_text()
