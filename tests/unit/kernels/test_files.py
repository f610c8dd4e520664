"""Files of ours take the place of those they come from, and of no others."""

import hashlib

import pytest

from gaoler.errors import Failed
from gaoler.kernels.files import Overlay, lay
from gaoler.progress import silent

UPSTREAM = "upstream's\n"


def line(path: str, text: str = UPSTREAM) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree/fs/hostfs").mkdir(parents=True)
    for name in ("Makefile", "gone.c"):
        (tmp_path / "tree/fs/hostfs" / name).write_text(UPSTREAM)
    return tmp_path / "tree"


@pytest.fixture
def overlay(tmp_path):
    for name in ("fs/hostfs/Makefile", "fs/hostfs/ours.c", "drivers/new/ours.c"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    (tmp_path / "replaced").write_text("# a comment\n\n" + line("fs/hostfs/Makefile") + line("fs/hostfs/gone.c"))
    return Overlay(tmp_path / "files", tmp_path / "replaced")


def contents(tree):
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


def test_laid_where_they_belong(tree, overlay):
    lay(tree, overlay, silent)
    assert contents(tree) == {name: f"{name}\n" for name in ("fs/hostfs/Makefile", "fs/hostfs/ours.c", "drivers/new/ours.c")}


def test_another_version_may_be_known_too(tree, overlay):
    (tree / "fs/hostfs/gone.c").write_text("a later series'\n")
    with overlay.replaced.open("a") as file:
        file.write(line("fs/hostfs/gone.c", "a later series'\n"))
    lay(tree, overlay, silent)
    assert not (tree / "fs/hostfs/gone.c").exists()


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("fs/hostfs/gone.c", "mended upstream\n", "not what ours was written from"),
        ("fs/hostfs/gone.c", None, "is missing"),
        ("drivers/new/ours.c", "upstream has one now\n", "is in this kernel source already"),
    ],
)
def test_a_source_that_nobody_has_looked_at_is_refused_and_left_alone(tree, overlay, path, text, reason):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        (tree / path).unlink()
    else:
        (tree / path).write_text(text)
    before = contents(tree)
    with pytest.raises(Failed, match=f"{path}.*{reason}") as caught:
        lay(tree, overlay, silent)
    assert "kernel/replaced" in caught.value.hint
    assert contents(tree) == before


@pytest.mark.parametrize("text", ["fs/hostfs/gone.c\n", "abc  fs/hostfs/gone.c\n"])
def test_a_list_that_is_none(tree, overlay, text):
    overlay.replaced.write_text(text)
    with pytest.raises(Failed, match="replaced, line 1 can't be read"):
        lay(tree, overlay, silent)
