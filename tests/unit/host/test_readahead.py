"""Files are read ahead by paths below a tree: links lead nowhere else, and what is no file is let be."""

import os

import pytest

from gaoler.host import readahead


@pytest.fixture
def asked(monkeypatch):
    """Inode numbers of what the kernel is asked to read."""
    found = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, *_: found.append(os.fstat(fd).st_ino))
    return found


def test_files_by_way_of_links_within_the_tree(tmp_path, asked):
    tree = tmp_path / "tree"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "lib").symlink_to("/usr/lib")  # as on a merged system, though absolute
    (tree / "usr/lib/libc.so.6").write_text("library")
    readahead.bring(tree, ["lib/libc.so.6", "lib/libnone.so", "usr", "usr/lib/libc.so.6/x"])
    assert asked == [(tree / "usr/lib/libc.so.6").stat().st_ino]


def test_nothing_outside_and_nothing_that_waits(tmp_path, asked):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "secret").write_text("of the host")
    (tree / "up").symlink_to("../secret")
    (tree / "absolute").symlink_to(tmp_path / "secret")
    (tree / "round").symlink_to("round")
    os.mkfifo(tree / "fifo")
    readahead.bring(tree, ["up", "../secret", "absolute", "round", "fifo"])
    assert asked == []
