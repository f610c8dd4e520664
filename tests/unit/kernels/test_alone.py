"""Fixes that stand alone, and one that leans on another."""

import pytest

from gaoler import places
from gaoler.errors import Failed
from gaoler.kernels import alone
from gaoler.progress import silent

FIRST = "--- a/main.c\n+++ b/main.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
SECOND = "--- a/main.c\n+++ b/main.c\n@@ -1,3 +1,3 @@\n one\n two\n-three\n+3\n"


@pytest.fixture
def cache(debian, tmp_path, monkeypatch):
    ours = tmp_path / "kernel"
    for fate in ("fix", "ours"):
        (ours / "patches" / fate).mkdir(parents=True)
    (ours / "gaol.config").write_text("CONFIG_A=y\n")
    (ours / "series").write_text("7.2\n")
    for name in ("SERIES", "PATCHES"):
        monkeypatch.setattr(places, name, ours / name.lower())
    monkeypatch.setattr(places, "FRAGMENT", ours / "gaol.config")
    packages = tmp_path / "cache/packages"
    packages.mkdir(parents=True)
    debian.package("7.2.13-1").rename(packages / "linux-source-7.2_7.2.13-1_all.deb")
    return tmp_path / "cache"


def put(name: str, text: str) -> None:
    (places.PATCHES / name).write_text(text)


@pytest.mark.parametrize("whole", [False, True])
def test_each_is_built_without_the_others(cache, whole):
    put("fix/0001-Count.patch", FIRST)
    put("fix/0002-Count-on.patch", SECOND)  # of a source that 0001 has not changed
    put("ours/0003-Not-a-fix.patch", "no patch at all")
    assert alone.show(cache, whole, silent) == ["0001-Count.patch", "0002-Count-on.patch"]
    assert [path.name for path in cache.iterdir()] == ["packages"]


def test_one_that_needs_another(cache):
    put("fix/0001-Count.patch", FIRST)
    put("fix/0002-Count-on.patch", SECOND.replace(" two", " 2"))
    with pytest.raises(Failed, match=r"0002-Count-on\.patch does not apply"):
        alone.show(cache, False, silent)


def test_one_that_does_not_build(cache):
    put("fix/0001-Count.patch", FIRST.replace("+2", "+broken"))
    with pytest.raises(Failed, match=r"0001-Count\.patch does not stand alone"):
        alone.show(cache, False, silent)


def test_what_is_asked_of_make(tmp_path):
    (tmp_path / "arch/um").mkdir(parents=True)
    changed = ["arch/um/kernel/time.c", "arch/um/include/shared/os.h", "fs/open.c"]
    assert alone.objects(tmp_path, changed) == ["arch/um/", "fs/open.o"]
