"""Where control groups lie, on both versions."""

from __future__ import annotations

import pytest

from gaoler.errors import Failed
from gaoler.host import cgroup
from gaoler.host.cgroup import owners


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


@pytest.fixture
def both(root):
    for name in ("cpu,cpuacct", "memory"):
        (root / name / "gaoler/t.1000/t-one").mkdir(parents=True)
    (root / "cpu,cpuacct/gaoler/t.1000/cpu.shares").write_text("1024")
    return root


def test_an_owners_group_goes_with_his_last_machine(both):
    groups = owners.Groups("t")
    groups.left(1000)
    assert groups.find("t-one") == "/gaoler/t.1000/t-one"
    cgroup.remove("/gaoler/t.1000/t-one")
    (both / "cpu,cpuacct/gaoler/t.1000/cpu.shares").unlink()  # of itself, in the kernel's own
    with groups.entering(1000):
        groups.left(1000)
        assert len(list(both.glob("*/gaoler/t.1000"))) == 2
    groups.left(1000)
    groups.left(1000)
    assert not list(both.glob("*/gaoler/*"))
    assert groups.find("t-one") is None


def test_groups_of_others_are_left_alone(both):
    for name in ("u.1000", "t.x", "t-1"):
        (both / "memory/gaoler" / name).mkdir()
    owners.Groups("t").clear()
    assert {path.name for path in both.glob("memory/gaoler/*")} == {"t.1000", "u.1000", "t.x", "t-1"}


@pytest.mark.parametrize(("weight", "shares"), [(100, "1024"), (300, "3072"), (1, "10"), (10000, "102400")])
def test_an_owner_weighs_what_is_granted_on_version_1(both, weight, shares):
    owners.Groups("t").weigh(1000, weight)
    assert (both / "cpu,cpuacct/gaoler/t.1000/cpu.shares").read_text() == shares
    assert [path.name for path in (both / "memory/gaoler/t.1000").iterdir()] == ["t-one"]


def test_and_on_version_2_of_the_disk_too(root):
    (root / "cgroup.controllers").touch()
    own = root / "gaoler/t.1000"
    own.mkdir(parents=True)
    (own / "cpu.weight").write_text("100\n")
    (own / "io.weight").write_text("default 100\n")
    owners.Groups("t").weigh(1000, 250)
    assert [(own / name).read_text() for name in ("cpu.weight", "io.weight")] == ["250", "default 250"]
    owners.Groups("t").weigh(1001, 250)  # whose last machine has just ended
