"""The kinds of sources: one list of them, and what can be seen before any work."""

from pathlib import Path
from typing import get_args

import pytest

from gaoler.bases.history import Recipe
from gaoler.bases.rsync import Access
from gaoler.bases.sources import kinds
from gaoler.bases.sources.source import Means, Registries
from gaoler.cli import bases as cli
from gaoler.errors import Failed, NotFound, Usage
from gaoler.wire import requests


@pytest.fixture
def means(tmp_path):
    def take(machine):
        raise NotFound(f"no machine {machine}")

    access = Access(tmp_path / "key", tmp_path / "known", tmp_path / "password", 65536)
    return Means(access, Registries(tmp_path / "credentials", tmp_path / "certificates", (), 65536), tmp_path, take)


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
    "recipe", [Recipe("pacstrap", "", "http://m/", "/k"), Recipe("mmdebstrap", "trixie", "http://m/"), Recipe("directory", str(Path("/")))]
)
def test_what_is_right_passes(means, recipe):
    kinds.check(recipe, means)
