"""Where control groups lie, on both versions."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

import gaoler
from gaoler.errors import Failed
from gaoler.host import cgroup
from gaoler.host.cgroup import owners
from gaoler.host.cgroup.hierarchy import Used
from gaoler.host.cgroup.v2 import V2


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
    owners.Groups("t").weigh_all()
    assert (root / "cpu,cpuacct/gaoler-t/cpu.shares").read_text() == str(16 * 1024)
    assert not (root / "memory/gaoler-t").exists()


def test_version_2_weighs_by_itself(root):
    (root / "cgroup.controllers").touch()
    owners.Groups("t").weigh_all()
    assert [path.name for path in root.iterdir()] == ["cgroup.controllers"]


@pytest.fixture
def both(root):
    for name in ("cpu,cpuacct", "memory"):
        (root / name / "gaoler-t/t.1000/t-one").mkdir(parents=True)
    (root / "cpu,cpuacct/gaoler-t/t.1000/cpu.shares").write_text("1024")
    return root


def test_an_owners_group_goes_with_his_last_machine(both):
    groups = owners.Groups("t")
    groups.left("1000")
    assert groups.find("t-one") == "/gaoler-t/t.1000/t-one"
    cgroup.remove("/gaoler-t/t.1000/t-one")
    (both / "cpu,cpuacct/gaoler-t/t.1000/cpu.shares").unlink()  # of itself, in the kernel's own
    with groups.entering("1000"):
        groups.left("1000")
        assert len(list(both.glob("*/gaoler-t/t.1000"))) == 2
    groups.left("1000")
    groups.left("1000")
    assert not list(both.glob("*/gaoler-t/*"))
    assert groups.find("t-one") is None


def test_each_installation_has_a_group_of_its_own(root):
    (root / "memory").mkdir()
    assert owners.Groups("gaol").of("1000") == "/gaoler/gaol.1000"
    assert owners.Groups("g1").of("1000") == "/gaoler-g1/g1.1000"
    assert owners.Groups("g1").of("1000.2") == "/gaoler-g1/g1.1000.2"


def test_machines_that_run_while_it_gets_one_are_found_where_they_are(root):
    """Then their owner's next one starts there, too; when the last one has gone, so has the group."""
    (root / "memory/gaoler/t.1000/t-one").mkdir(parents=True)
    groups = owners.Groups("t")
    assert groups.find("t-one") == "/gaoler/t.1000/t-one"
    assert groups.of("1000") == "/gaoler/t.1000"
    groups.clear()
    cgroup.remove("/gaoler/t.1000/t-one")
    groups.clear()
    assert groups.of("1000") == "/gaoler-t/t.1000"
    assert (root / "memory/gaoler").is_dir(), "the first installation's"


def test_groups_of_others_are_left_alone(both):
    for name in ("u.1000", "t.x", "t-1"):
        (both / "memory/gaoler-t" / name).mkdir()
    owners.Groups("t").clear()
    assert {path.name for path in both.glob("memory/gaoler-t/*")} == {"t.1000", "u.1000", "t.x", "t-1"}


def test_an_owners_machines_and_all_have_a_ceiling_on_version_1(root):
    for group in ("gaoler-t", "gaoler-t/t.1000"):
        for name in ("memory", "pids", "cpu,cpuacct"):
            (root / name / group).mkdir(parents=True)
        (root / "memory" / group / "memory.limit_in_bytes").write_text("9223372036854771712\n")
        (root / "pids" / group / "pids.max").write_text("max\n")
    owners.Groups("t").limit("1000", (1 << 30) + 5, 500)
    owners.Groups("t").limit_all(2 << 30, 900)
    found = [
        (root / "memory" / group / "memory.limit_in_bytes").read_text() + " " + (root / "pids" / group / "pids.max").read_text()
        for group in ("gaoler-t/t.1000", "gaoler-t")
    ]
    assert found == [f"{(1 << 30) + (128 << 20)} 500", f"{2 << 30} 900"], "an owner's with time to choose before the kernel does"
    assert list((root / "cpu,cpuacct/gaoler-t/t.1000").iterdir()) == []


def test_an_owners_machines_have_a_ceiling_on_version_2(root):
    (root / "cgroup.controllers").touch()
    own = root / "gaoler-t/t.1000"
    own.mkdir(parents=True)
    names = ("memory.high", "memory.max", "pids.max")
    for name in names:
        (own / name).write_text("max\n")
    owners.Groups("t").limit("1000", 1 << 30, 500)
    assert [(own / name).read_text() for name in names] == [f"{1 << 30}", f"{(1 << 30) + (128 << 20)}", "500"]


@pytest.mark.parametrize("version", [1, 2])
def test_what_files_take_is_told_apart_from_what_machines_hold(root, version):
    own = root / ("memory" if version == 1 else "") / "gaoler/t.1000"
    own.mkdir(parents=True)
    if version == 1:
        (own / "memory.usage_in_bytes").write_text("1000\n")
        (own / "memory.stat").write_text("cache 1\nshmem 1\ntotal_cache 700\ntotal_shmem 500\n")
    else:
        (root / "cgroup.controllers").touch()
        (own / "memory.current").write_text("1000\n")
        (own / "memory.stat").write_text("anon 300\nfile 700\nshmem 500\n")
    assert cgroup.usage("/gaoler/t.1000") == (1000, 800)
    assert cgroup.usage("/gaoler/t.1001") == (0, 0)
    assert cgroup.want_event("/gaoler/t.1001", 1 << 20) is None


@pytest.mark.parametrize(("weight", "shares"), [(100, "1024"), (300, "3072"), (1, "10"), (10000, "102400")])
def test_an_owner_weighs_what_is_granted_on_version_1(both, weight, shares):
    owners.Groups("t").weigh("1000", weight)
    assert (both / "cpu,cpuacct/gaoler-t/t.1000/cpu.shares").read_text() == shares
    assert [path.name for path in (both / "memory/gaoler-t/t.1000").iterdir()] == ["t-one"]


def test_and_on_version_2_of_the_disk_too(root):
    (root / "cgroup.controllers").touch()
    own = root / "gaoler-t/t.1000"
    own.mkdir(parents=True)
    (own / "cpu.weight").write_text("100\n")
    (own / "io.weight").write_text("default 100\n")
    owners.Groups("t").weigh("1000", 250)
    assert [(own / name).read_text() for name in ("cpu.weight", "io.weight")] == ["250", "default 250"]
    owners.Groups("t").weigh("1001", 250)  # whose last machine has just ended


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_group_uses_is_told_alike(root, version):
    """Bytes, seconds and tasks, from files of other names and units."""
    files = {
        1: {
            "memory/one/memory.usage_in_bytes": "4096",
            "cpu,cpuacct/one/cpuacct.usage": "1500000000",
            "pids/one/pids.current": "7",
        },
        2: {
            "one/memory.current": "4096",
            "one/cpu.stat": "usage_usec 1500000\nuser_usec 1",
            "one/pids.current": "7",
            "cgroup.controllers": "",
        },
    }
    for name, text in files[version].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert cgroup.used("one") == Used(4096, 1.5, 7)
    assert cgroup.used("none") == Used(0, 0, 0)


def test_want_of_memory_is_told_alike(root):
    (root / "memory/one").mkdir(parents=True)
    assert not cgroup.ran_out_of_memory("one")
    (root / "memory/one/memory.oom_control").write_text("oom_kill_disable 1\nunder_oom 0\noom_kill 1\n")
    assert cgroup.ran_out_of_memory("one")
    (root / "cgroup.controllers").touch()
    (root / "one").mkdir()
    (root / "one/memory.events").write_text("oom 1\noom_kill 0\n")
    assert not cgroup.ran_out_of_memory("one")
    (root / "one/memory.events").write_text("oom 1\noom_kill 1\n")
    assert cgroup.ran_out_of_memory("one")


def test_nobody_else_asks_which_version_it_is():
    """What differs has a method in `Hierarchy`."""
    sources = Path(gaoler.__file__).parent
    asking = [
        path for path in sources.rglob("*.py") if re.search(r"is_v2|cgroup\.controllers|v2\.is_at|\bV[12]\b", path.read_text())
    ]
    assert {str(path.relative_to(sources / "host/cgroup")) for path in asking} == {"__init__.py", "v1.py", "v2.py"}


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV])
def test_a_group_that_goes_just_now_has_no_events(tmp_path, monkeypatch, number):
    def fails(*_: object) -> int:
        raise OSError(number, "")

    hierarchy = V2(tmp_path)
    monkeypatch.setattr(os, "open", fails)
    assert hierarchy.want_event("gaoler/gaol.1000", 1 << 20) is None
