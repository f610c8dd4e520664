"""What is told of two trees, with whatever a stranger may have made of them."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from gaoler.machines import comparing


@pytest.fixture
def trees(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name / "etc").mkdir(parents=True)
    return tmp_path / "old", tmp_path / "new"


@pytest.fixture
def compared(trees, capsys):
    def compare():
        comparing.Comparison(patches=False).run(str(trees[0]), str(trees[1]))
        *entries, end = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert end.pop("end")
        return {(entry["path"], entry["change"]): entry for entry in entries}, end

    return compare


def test_what_is_new_gone_and_another(trees, compared):
    old, new = trees
    for tree in trees:
        (tree / "etc/same").write_text("same")
        (tree / "etc/target").symlink_to(f"/{tree.name}")
    (old / "etc/hosts").write_text("one")
    (new / "etc/hosts").write_text("two")
    (new / "srv/app").mkdir(parents=True)
    (new / "srv/app/x").write_text("12345")
    (old / "gone").mkdir()
    (old / "gone/file").write_text("1")
    (old / "kind").mkdir()
    (new / "kind").symlink_to("/etc")
    (new / "etc/same").chmod(0o600)
    found, end = compared()
    assert set(found) == {
        ("/etc/hosts", "changed"), ("/etc/same", "changed"), ("/etc/target", "changed"), ("/srv", "added"), ("/srv/app", "added"),
        ("/srv/app/x", "added"), ("/gone", "removed"), ("/gone/file", "removed"), ("/kind", "removed"), ("/kind", "added"),
    }  # fmt: skip
    assert found["/etc/hosts", "changed"]["how"] == ["content"]
    assert found["/etc/same", "changed"]["how"] == ["mode"]
    assert found["/etc/target", "changed"]["how"] == ["target"]
    assert (found["/srv/app/x", "added"]["size"], found["/gone/file", "removed"]["was"]) == (5, 1)
    assert end == {"left_out": 0, "cut": False}


def test_what_gaoler_puts_there_is_not_shown(trees, capsys):
    old, new = trees
    (new / "usr/lib/sysvinit").mkdir(parents=True)
    (old / "usr/lib").mkdir(parents=True)
    (new / "usr/lib/sysvinit/telinit").symlink_to("/uml/bin/shutdown")
    (new / "etc/gaol-identity").write_text("alice@web")
    (new / "etc/apt-get").symlink_to("/uml/bin/apt")
    (new / "etc/mine").symlink_to("/umlaut")
    for ours, seen in (
        (False, {"/etc/mine"}),
        (True, {"/etc/mine", "/etc/apt-get", "/etc/gaol-identity", "/usr/lib/sysvinit", "/usr/lib/sysvinit/telinit"}),
    ):
        comparing.Comparison(patches=True, ours=ours).run(str(old), str(new))
        found = {json.loads(line).get("path") for line in capsys.readouterr().out.splitlines()} - {None}
        assert found == seen
    (new / "usr/lib/sysvinit/mine").write_text("")
    comparing.Comparison(patches=False, ours=False).run(str(old), str(new))
    assert "/usr/lib/sysvinit/mine" in capsys.readouterr().out


def test_a_copy_with_other_times_is_the_same(trees, compared):
    old, new = trees
    (old / "etc/x").write_bytes(b"1" * 300_000)
    shutil.copy(old / "etc/x", new / "etc/x")
    os.utime(new / "etc/x", (1, 1))
    assert compared()[0] == {}


def test_nothing_is_followed_opened_or_waited_for(trees, compared, tmp_path):
    _, new = trees
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret")
    (new / "out").symlink_to(tmp_path / "secret")
    (new / "up").symlink_to("..")
    os.mkfifo(new / "pipe")
    os.mkfifo(trees[0] / "pipe")
    weird = b"we\xffird\n+++ b"
    (new / os.fsdecode(weird)).write_text("")
    found, _ = compared()
    assert set(found) == {("/out", "added"), ("/up", "added"), ("/we\\xffird\\n+++ b", "added")}


def test_depth_and_number_have_an_end(trees, compared, monkeypatch):
    deep = trees[1]
    monkeypatch.setattr(comparing, "DEPTH", 5)
    monkeypatch.setattr(comparing, "ENTRIES", 10)
    for _ in range(8):
        deep = deep / "d"
        deep.mkdir()
    for number in range(10):
        (trees[1] / f"file{number}").write_text("")
    found, end = compared()
    assert len(found) == 10
    assert end["left_out"] == 6 + 10 - 10 + 1, "what is too many, and what is too deep once"
