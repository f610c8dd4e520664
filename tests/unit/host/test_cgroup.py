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


def test_all_machines_together_have_a_share_on_version_1(root):
    for name in ("cpu,cpuacct", "memory"):
        (root / name).mkdir()
    (root / "cpu,cpuacct/cpu.shares").write_text("1024")
    cgroup.weigh_parent()
    assert (root / "cpu,cpuacct/gaoler/cpu.shares").read_text() == str(16 * 1024)
    assert not (root / "memory/gaoler").exists()


def test_version_2_weighs_by_itself(root):
    (root / "cgroup.controllers").touch()
    cgroup.weigh_parent()
    assert [path.name for path in root.iterdir()] == ["cgroup.controllers"]
