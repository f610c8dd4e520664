"""Compiling, with a Makefile that tells what kbuild tells: how far it is comes from what is to be made."""

import os

import pytest

from gaoler.errors import Failed
from gaoler.kernels import compiler
from unit.kernels.conftest import MAKEFILE


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "linux"
    tree.mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "main.c").write_text("one\n")
    (tree / "MAINTAINERS").touch()
    (tree / ".config").touch()
    return tree


def compiled(tree, kept):
    told = []
    return compiler.compile_kernel(tree, kept, told.append), [
        progress for progress in told if progress.step == "compile the kernel"
    ]


def test_each_object_is_one_of_those_to_be_made(tree, tmp_path):
    made, told = compiled(tree, tmp_path / "ccache")
    assert made == 2
    assert [(progress.done, progress.total) for progress in told] == [(0, 2), (1, 2), (2, 2), (2, 2)]
    assert {progress.note for progress in told} == {"", "main.o", "other.o"}


def test_what_is_there_already_is_not_counted(tree, tmp_path):
    (tree / "main.o").touch()
    os.utime(tree / "main.c", (1, 1))
    made, told = compiled(tree, tmp_path / "ccache")
    assert (made, told[0].total) == (1, 1)


def test_where_make_tells_nothing_before_no_total_is_shown(tree, tmp_path):
    """Here each object's line is made by a script."""
    hidden = MAKEFILE.replace("\t@echo '  CC      $@'\n", "\t@sh say $@\n")
    (tree / "Makefile").write_text(hidden)
    (tree / "say").write_text('echo "  CC      $1"\n')
    made, told = compiled(tree, tmp_path / "ccache")
    assert made == 2
    assert [progress.total for progress in told[:-1]] == [None, None, None]


def test_ccache_is_used_where_it_is_installed(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "CCACHE", tmp_path / "compilers")
    compiled(tree, tmp_path / "ccache")
    assert str(tmp_path) not in (tree / "told").read_text()
    (tmp_path / "compilers").mkdir()
    compiled(tree, tmp_path / "ccache")
    path, kept = (tree / "told").read_text().split()
    assert path.startswith(f"{tmp_path}/compilers:")
    assert kept == f"{tmp_path}/ccache"


def test_what_fails_is_named(tree, tmp_path):
    (tree / "main.c").write_text("broken\n")
    with pytest.raises(Failed, match="does not compile") as caught:
        compiled(tree, tmp_path / "ccache")
    assert "CC      main.o" in caught.value.why
