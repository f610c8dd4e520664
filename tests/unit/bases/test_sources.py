"""The kinds of sources: one list of them, and what can be seen before any work."""

import os
from pathlib import Path
from typing import get_args

import pytest

from gaoler.bases.history import Recipe
from gaoler.bases.rsync import Access
from gaoler.bases.sources import kinds
from gaoler.bases.sources.source import Means, Registries
from gaoler.cli import bases as cli
from gaoler.errors import Failed, NotAllowed, NotFound, Usage
from gaoler.wire import requests


@pytest.fixture
def means(tmp_path):
    def take(machine, mark, keep=()):
        raise NotFound(f"no machine {machine}")

    access = Access(tmp_path / "key", tmp_path / "known", tmp_path / "password", 65536)
    return Means(access, Registries(tmp_path / "credentials", tmp_path / "certificates", (), 65536), tmp_path, take)


@pytest.mark.skipif(os.getuid() != 0, reason="root's own paths")
def test_nobody_but_root_chooses_what_a_path_leads_to(means, tmp_path):
    """A user's directory, one that others may write, and a link that somebody may turn elsewhere later."""

    def source(kind, path):
        recipe = Recipe(kind, str(path))
        return lambda: kinds.look(kinds.source_of(recipe, means))

    tree, archive = tmp_path / "mine/tree", tmp_path / "mine/tree.tar"
    tree.mkdir(parents=True)
    archive.touch()
    looks = [source(kind, tree) for kind in ("directory", "rsync", "oci")] + [source("tar", archive)]
    for look in looks:
        look()
    (tmp_path / "mine").chmod(0o775)
    for look in looks:
        with pytest.raises(NotAllowed, match="others than root may write mine"):
            look()
    (tmp_path / "mine").chmod(0o755)
    os.chown(tmp_path / "mine", 65534, 0)
    for look in looks:
        with pytest.raises(NotAllowed, match="mine in it is not root's"):
            look()
    os.chown(tmp_path / "mine", 0, 0)
    (tmp_path / "mine").rename(tmp_path / "real")
    (tmp_path / "mine").symlink_to(tmp_path / "real")
    for look in looks:
        with pytest.raises(NotAllowed, match="mine in it is a link"):
            look()
    with pytest.raises(NotFound):
        source("directory", tmp_path / "real/none")()
    source("rsync", "rsync://master/tree")()


def test_what_can_be_asked_for_is_what_there_is():
    asked = get_args(requests.BaseAdd.model_fields["source"].annotation)
    assert set(asked) == set(kinds.KINDS) == {one.key for one in cli._SOURCES}


def test_options_are_fields_of_a_recipe():
    assert {option for kind in kinds.KINDS.values() for option in kind.options} == {"mirror", "keyring"}


@pytest.mark.parametrize(
    ("recipe", "kind", "words"),
    [
        (Recipe("rsync", "m::arch", mirror="http://m/"), Usage, "--mirror means nothing to --rsync"),
        (Recipe("mmdebstrap", "", keyring="/k"), Usage, "--keyring means nothing to --mmdebstrap"),
        (Recipe("rsync", "-e sh"), Usage, "not a source for rsync"),
        (Recipe("oci", "debian"), Usage, "names no image"),
        (Recipe("tar", "tree.tar"), Usage, "absolute path"),
        (Recipe("directory", "tree"), Usage, "absolute path"),
        (Recipe("directory", "/nowhere/at/all"), NotFound, "no directory"),
        (Recipe("machine", "alice/web"), NotFound, "no machine alice/web"),
        (Recipe("floppy", "/dev/fd0"), Failed, "floppy"),
    ],
)
def test_what_is_wrong_is_seen_before_any_work(means, recipe, kind, words):
    with pytest.raises(kind, match=words):
        kinds.check(recipe, means)


@pytest.mark.parametrize(
    "recipe",
    [Recipe("pacstrap", "", "http://m/", "/k"), Recipe("mmdebstrap", "trixie", "http://m/"), Recipe("directory", str(Path("/")))],
)
def test_what_is_right_passes(means, recipe):
    kinds.check(recipe, means)
