"""The kernel's own judge of style, out of the source that is in the cache."""

import pytest

from gaoler import places
from gaoler.kernels import checkpatch

#: Stands for checkpatch.pl: says what it was given, and complains of what has a TODO in it.
JUDGE = """\
#!/usr/bin/perl
my ($patch) = grep { $_ eq "-" } @ARGV;
for my $name ($patch ? "-" : grep { !/^--/ } @ARGV) {
    open(my $file, $name eq "-" ? "<&STDIN" : "<$name") or die "$name: $!";
    while (<$file>) { print "$name:$.: WARNING: TODO\\n" if /TODO/ }
}
"""


@pytest.fixture
def script(debian, tmp_path, monkeypatch):
    ours = tmp_path / "kernel"
    (ours / "patches/fix").mkdir(parents=True)
    (ours / "files/fs").mkdir(parents=True)
    (ours / "files/fs/ours.c").write_text("fine\n")
    (ours / "patches/fix/0001-Count.patch").write_text("fine\n")
    (ours / "replaced").write_text("")
    (ours / "series").write_text("7.2\n")
    for name in ("SERIES", "FILES", "REPLACED", "PATCHES"):
        monkeypatch.setattr(places, name, ours / name.lower())
    packages = tmp_path / "packages"
    packages.mkdir()
    debian.package("7.2.13-1", scripts={"checkpatch.pl": JUDGE}).rename(packages / "linux-source-7.2_7.2.13-1_all.deb")
    return checkpatch.scripts(packages, tmp_path)


def test_says_nothing_where_there_is_nothing_to_say(script):
    assert checkpatch.complaints(script) == []


def test_names_file_and_patch(script):
    places.FILES.joinpath("fs/ours.c").write_text("fine\n// TODO\n")
    places.PATCHES.joinpath("fix/0001-Count.patch").write_text("TODO\n")
    assert checkpatch.complaints(script) == ["fs/ours.c:2: WARNING: TODO", "0001-Count.patch:1: WARNING: TODO"]


def test_unpacked_once(script, tmp_path):
    assert script.is_file()
    (tmp_path / "packages/linux-source-7.2_7.2.13-1_all.deb").write_text("not read again")
    assert checkpatch.scripts(tmp_path / "packages", tmp_path) == script


def test_without_a_source(tmp_path):
    assert checkpatch.scripts(tmp_path, tmp_path) is None
