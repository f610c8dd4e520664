"""Trees that are to be bases, good, lacking and hostile."""

import os
import shutil
from pathlib import Path

import pytest

from gaoler.bases import check

NEEDED = ("cat", "grep", "sed", "mkdir", "rm", "cp", "chown", "ln")


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "tree"
    for name in ("usr/bin", "etc", "lib64", "usr/lib"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("/usr/bin")  # absolute, and yet inside
    for name in NEEDED:
        (root / "usr/bin" / name).touch()
    shutil.copy(os.path.realpath("/bin/sh"), root / "usr/bin/dash")
    (root / "usr/bin/sh").symlink_to("dash")
    (root / "lib64/ld-linux-x86-64.so.2").touch()
    (root / "etc/passwd").touch()
    return root


def test_a_whole_tree_has_no_fault(tree):
    assert check.faults(tree) == []


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_program_is_named(tree, name):
    (tree / "usr/bin" / name).unlink()
    assert check.faults(tree) == [f"no {name}"]


def test_all_faults_are_told_at_once(tree):
    (tree / "usr/bin/cat").unlink()
    (tree / "etc/passwd").unlink()
    (tree / "proc").touch()
    assert check.faults(tree) == ["no cat", "no /etc/passwd", "/proc is not a directory"]


def test_a_link_out_of_the_tree_leads_nowhere(tree):
    (tree / "usr/bin/sh").unlink()
    (tree / "usr/bin/sh").symlink_to("../../../../../../../../../usr/bin/env")  # the host has one, the tree has not
    assert "no sh" in check.faults(tree)
    (tree / "etc/passwd").unlink()
    (tree / "etc/passwd").symlink_to("/etc/group")
    assert "no /etc/passwd" in check.faults(tree)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"#!/bin/true\n", "not a program"),
        (b"\x7fELF", "not a program"),
        (b"\x7fELF\x02\x01" + b"\0" * 12 + b"\xb7\x00" + b"\0" * 60, "another processor"),
        (b"\x7fELF" + b"\xff" * 200, "another processor"),
        (b"\x7fELF\x02\x01" + b"\0" * 12 + b"\x3e\x00" + b"\xff" * 100, None),
    ],
)
def test_headers_that_lie_do_no_harm(tree, content, told):
    (tree / "usr/bin/dash").write_bytes(content)
    faults = check.faults(tree)
    assert (told is None) or told in faults[0]


def test_what_is_opened_is_never_waited_for(tree):
    for name in ("etc/passwd", "usr/bin/cat"):
        (tree / name).unlink()
        os.mkfifo(tree / name)
    assert check.faults(tree) == ["no cat", "no /etc/passwd"]
    (tree / "var/lib/dpkg").mkdir(parents=True)
    os.mkfifo(tree / "var/lib/dpkg/status")
    assert check.packages(tree) == ""


@pytest.mark.parametrize("sign", ["var/lib/pacman/db.lck", "var/lib/gaoler-master/updating", "var/lib/dpkg/updates/0001"])
def test_a_torn_tree_is_refused(tree, sign):
    (tree / sign).parent.mkdir(parents=True)
    (tree / sign).touch()
    assert check.faults(tree) != []


def status(tree, text):
    (tree / check.MASTER_STATUS).parent.mkdir(parents=True, exist_ok=True)
    (tree / check.MASTER_STATUS).write_text(text)
    return [line for line in check.lacks(tree, master=True, now=10_000_000) if "master" in line]


def test_a_master_is_told_about_when_it_is_stale_or_failed(tree):
    assert "nothing tells" in check.lacks(tree, master=True)[-1]
    assert status(tree, "updated=9990000\nresult=ok\n") == []
    assert "days ago" in status(tree, "updated=1000\nresult=ok\n")[0]
    assert "failed: disk" in status(tree, "updated=9990000\nresult=disk\n")[0]
    assert "nothing tells" in status(tree, "updated=\xff\n")[0]
    assert not [line for line in check.lacks(tree, master=False) if "master" in line]


def test_lacks_name_what_it_means(tree):
    told = check.lacks(tree, master=False)
    assert any("sshd" in line for line in told) and any("dhclient" in line for line in told)
    (tree / "usr/bin/udhcpc").touch()
    assert not any("dhclient" in line for line in check.lacks(tree, master=False))


def test_a_survey_counts(tree):
    (tree / "etc/passwd").write_text("x" * 100)
    found = check.survey(tree)
    assert found.files == sum(len(names) + len(files) for _, names, files in os.walk(tree))
    assert found.size == 100 + (tree / "usr/bin/dash").stat().st_size
    assert (found.devices, found.strangers) == (0, ())


@pytest.mark.skipif(os.geteuid() != 0, reason="makes device nodes and gives files away")
def test_a_survey_removes_devices_and_names_strangers(tree):
    os.mknod(tree / "etc/null", 0o20666, os.makedev(1, 3))
    os.chown(tree / "etc/passwd", 70000, 0)
    found = check.survey(tree)
    assert (found.devices, found.strangers) == (1, ("/etc/passwd",))
    assert not (tree / "etc/null").exists()
