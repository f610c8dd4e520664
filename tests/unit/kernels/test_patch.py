"""Patches apply in full or not at all."""

import pytest

from gaoler.errors import Failed
from gaoler.kernels import patch
from gaoler.progress import silent

GOOD = """\
--- a/file.c
+++ b/file.c
@@ -1,3 +1,3 @@
 one
-two
+2
 three
"""


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file.c").write_text("one\ntwo\nthree\n")
    return tree


@pytest.fixture
def series(tmp_path):
    directory = tmp_path / "patches"
    for name in ("fix", "ours"):
        (directory / name).mkdir(parents=True)
    (directory / "README.md").write_text("not a patch")
    (directory / "0000-of-no-fate.patch").write_text("not taken")
    return directory


def test_applied_in_the_order_of_their_numbers(tree, series):
    (series / "fix" / "0002-again.patch").write_text(GOOD.replace("-two", "-2").replace("+2", "+zwei"))
    (series / "ours" / "0001-first.patch").write_text(GOOD)
    told = []
    patch.apply(tree, patch.patches(series), told.append)
    assert (tree / "file.c").read_text() == "one\nzwei\nthree\n"
    assert [progress.note for progress in told] == ["0001-first.patch", "0002-again.patch", ""]


def test_two_of_one_number_are_refused(series):
    (series / "fix" / "0003-this.patch").write_text(GOOD)
    (series / "ours" / "0003-that.patch").write_text(GOOD)
    with pytest.raises(Failed, match="two kernel patches have the number 0003"):
        patch.patches(series)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD.replace("-two", "-deux"), "file.c: Hunk #1 FAILED"),
        (GOOD.replace("file.c", "gone.c"), "can't find file"),
        (GOOD.replace(" one\n", " eins\n"), "FAILED"),  # context that differs: fuzz would take it
        ("--- a/file.c\n+++ b/file.c\n@@ -1,3 +1,3 @@\n one\n", "malformed"),
    ],
)
def test_one_that_does_not_apply_is_refused_by_name(tree, series, text, reason):
    (series / "fix" / "0007-bad.patch").write_text(text)
    with pytest.raises(Failed, match=r"0007-bad\.patch does not apply") as caught:
        patch.apply(tree, patch.patches(series), silent)
    assert reason in caught.value.why
    assert caught.value.hint


def test_one_that_is_in_the_source_already_is_refused(tree, series):
    (series / "fix" / "0001-first.patch").write_text(GOOD)
    patch.apply(tree, patch.patches(series), silent)
    with pytest.raises(Failed, match="previously applied"):
        patch.apply(tree, patch.patches(series), silent)
