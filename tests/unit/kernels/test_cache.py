"""Built kernels: named by what went in, believed only when they are what they say."""

import dataclasses
import json

import pytest

from gaoler.kernels import cache
from gaoler.kernels.files import Overlay
from gaoler.kernels.unpack import sha256


@pytest.fixture
def recipe(tmp_path):
    fragment = tmp_path / "gaol.config"
    fragment.write_text("CONFIG_A=y\n")
    patches = [tmp_path / "0001-a.patch", tmp_path / "0002-b.patch"]
    for path in patches:
        path.write_text(path.name)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ours.c").write_text("ours")
    (tmp_path / "replaced").write_text("")
    return cache.Recipe(fragment, Overlay(tmp_path / "files", tmp_path / "replaced"), tuple(patches))


@pytest.fixture
def entry(tmp_path, recipe):
    linux = tmp_path / "vmlinux"
    linux.write_bytes(b"\x7fELF kernel")
    manifest = cache.Manifest(
        version="7.2.13",
        series="7.2",
        hash=recipe.hash("7.2.13-1"),
        source="7.2.13-1",
        source_sha256="0" * 64,
        recipe=recipe.digest,
        patches=["0001-a.patch", "0002-b.patch"],
        linux_sha256=sha256(linux),
        linux_size=11,
        objects=1700,
        seconds=240.0,
    )
    return cache.store(linux, manifest, tmp_path / "kernels")


def test_the_hash_changes_with_version_configuration_files_and_patches(recipe, tmp_path):
    seen = {recipe.hash("7.2.13-1"), recipe.hash("7.2.14-1")}
    recipe.patches[0].write_text("other")
    seen.add(recipe.hash("7.2.13-1"))
    recipe.fragment.write_text("CONFIG_A=n\n")
    seen.add(recipe.hash("7.2.13-1"))
    seen.add(dataclasses.replace(recipe, patches=recipe.patches[:1]).hash("7.2.13-1"))
    (recipe.overlay.root / "ours.c").rename(recipe.overlay.root / "renamed.c")
    seen.add(recipe.hash("7.2.13-1"))
    recipe.overlay.replaced.write_text(f"{'0' * 64}  gone.c\n")
    seen.add(recipe.hash("7.2.13-1"))
    assert len(seen) == 7


def test_what_was_stored_is_read_again(entry):
    manifest = cache.read(entry)
    assert entry.name == f"7.2.13-{manifest.hash}"
    assert cache.entries(entry.parent) == [manifest]
    assert (entry / "linux").stat().st_mode & 0o777 == 0o755


def damage_kernel(entry):
    (entry / "linux").write_bytes(b"\x7fELF kernek")


def lose_kernel(entry):
    (entry / "linux").unlink()


def lose_manifest(entry):
    (entry / "manifest.json").unlink()


def truncate_manifest(entry):
    (entry / "manifest.json").write_text("{")


def add_a_key(entry):
    path = entry / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": 1}))


def claim_another_version(entry):
    path = entry / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": "7.2.14"}))


def let_others_write(entry):
    (entry / "linux").chmod(0o777)


def replace_by_a_link(entry):
    (entry / "linux").rename(entry.parent / "elsewhere")
    (entry / "linux").symlink_to("../elsewhere")


DAMAGES = [
    *(damage_kernel, lose_kernel, lose_manifest, truncate_manifest),
    *(add_a_key, claim_another_version, let_others_write, replace_by_a_link),
]


@pytest.mark.parametrize("harm", DAMAGES)
def test_damaged_and_foreign_entries_are_refused(entry, harm):
    harm(entry)
    with pytest.raises(cache.Damaged) as caught:
        cache.read(entry)
    assert str(entry) in caught.value.what
    assert cache.entries(entry.parent) == []


def test_storing_again_repairs(entry, tmp_path):
    manifest = cache.read(entry)
    damage_kernel(entry)
    cache.store(tmp_path / "vmlinux", manifest, entry.parent)
    assert cache.read(entry) == manifest
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_nothing_half_made_stays(entry, tmp_path):
    manifest = dataclasses.replace(cache.read(entry), version="7.2.14")
    with pytest.raises(FileNotFoundError):
        cache.store(tmp_path / "missing", manifest, entry.parent)
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [("7.2.13-1", "7.2.13"), ("7.3.4-1~bpo13+1", "7.3.4"), ("1:7.2-1", "7.2"), ("7.2~rc3-1~exp1", "7.2"), ("7.2+ds", "7.2")],
)
def test_upstream_version(debian, upstream):
    assert cache.upstream(debian) == upstream


def test_versions_are_ordered_by_number():
    assert sorted(["7.10.1", "7.2.13", "7.2.9"], key=cache.version_key) == ["7.2.9", "7.2.13", "7.10.1"]
