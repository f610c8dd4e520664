"""A repository to work in: what the build makes, a commit a change."""

import subprocess

import pytest

from gaoler import places
from gaoler.errors import Failed, Usage
from gaoler.kernels import worktree
from gaoler.progress import silent

PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Somebody <somebody@localhost>
Date: Mon, 23 Nov 2026 13:40:16 +0000
Subject: [PATCH] Count

Why.
---
--- a/main.c
+++ b/main.c
@@ -1,3 +1,3 @@
 one
-two
+2
 three
"""


@pytest.fixture
def cache(debian, tmp_path, monkeypatch):
    ours = tmp_path / "kernel"
    (ours / "patches/fix").mkdir(parents=True)
    (ours / "patches/fix/0001-Count.patch").write_text(PATCH)
    (ours / "files").mkdir()
    (ours / "files/ours.c").write_text("four\n")
    (ours / "replaced").write_text("")
    (ours / "series").write_text("7.3\n7.2\n")
    for name in ("SERIES", "FILES", "REPLACED", "PATCHES"):
        monkeypatch.setattr(places, name, ours / name.lower())
    packages = tmp_path / "cache/packages"
    packages.mkdir(parents=True)
    for version in ("7.2.9-1", "7.2.13-1"):
        debian.package(version, ignored="/*\n!/debian/\n*.o\n").rename(packages / f"linux-source-7.2_{version}_all.deb")
    return tmp_path / "cache"


def log(tree):
    words = ["git", "-C", str(tree), "log", "--reverse", "--format=%an: %s%d", "--decorate-refs=refs/tags"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_commit_for_the_source_our_files_and_each_patch(cache, tmp_path):
    tree = tmp_path / "tree"
    worktree.make(str(tree), cache, silent)
    assert log(tree) == [
        "gaoler: Linux 7.2.13 (tag: plain)",
        "gaoler: Files of gaoler's, in place of those they come from (tag: files)",
        "Somebody: Count",
    ]
    assert (tree / "main.c").read_text() == "one\n2\nthree\n"
    (tree / "new.c").touch()
    (tree / "new.o").touch()
    status = ["git", "-C", str(tree), "status", "--short"]
    assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == "?? new.c\n"


def test_only_into_a_new_directory(cache, tmp_path):
    for name in ("", str(tmp_path)):
        with pytest.raises(Usage, match="needs a new directory"):
            worktree.make(name, cache, silent)


def test_without_a_source_in_the_cache(cache, tmp_path):
    for path in (cache / "packages").iterdir():
        path.unlink()
    with pytest.raises(Failed, match="not in the cache"):
        worktree.make(str(tmp_path / "tree"), cache, silent)
    assert not (tmp_path / "tree").exists()
