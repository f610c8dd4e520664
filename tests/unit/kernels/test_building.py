"""A whole kernel build from a small archive: each step, the cache, and each way it goes wrong."""

import pytest

from gaoler import places
from gaoler.errors import Failed, NotFound
from gaoler.host import apt
from gaoler.kernels import building, cache

PATCH = "--- a/main.c\n+++ b/main.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"


@pytest.fixture
def host(debian, tmp_path, monkeypatch):
    """The project's kernel directory and the host's apt sources."""
    ours = tmp_path / "kernel"
    (ours / "patches" / "fix").mkdir(parents=True)
    (ours / "patches" / "fix" / "0001-two.patch").write_text(PATCH)
    (ours / "gaol.config").write_text("CONFIG_A=y\n# CONFIG_B is not set\n")
    (ours / "series").write_text("7.2\n")
    (ours / "files" / "drivers").mkdir(parents=True)
    (ours / "files" / "drivers" / "gaol.c").write_text("four\n")
    (ours / "replaced").write_text("# none\n")
    for name in ("SERIES", "FILES", "REPLACED", "PATCHES"):
        monkeypatch.setattr(places, name, ours / name.lower())
    monkeypatch.setattr(places, "FRAGMENT", ours / "gaol.config")
    monkeypatch.setattr(apt, "host_archive", lambda: debian.archive)
    return ours


@pytest.fixture
def build(tmp_path):
    """Builds with the cache and the store's directory of this test; gives the kernel and the names of the steps."""

    def build(**options):
        told = []
        built = building.build(tmp_path / "cache", tmp_path / "kernels", told.append, **options)
        return built, [progress.step for progress in told]

    return build


@pytest.fixture
def published(debian, host):
    debian.publish("sid", debian.package("7.2.13-1"))


def test_from_the_archive_to_the_store(published, build, tmp_path):
    built, steps = build()
    assert built.directory == tmp_path / "kernels" / built.name
    assert built.name == f"7.2.13-{built.hash}"
    assert built.binary.read_text() == "one\n2\nthree\n"
    assert (built.directory / "config").read_text() == "CONFIG_A=y\n# CONFIG_B is not set\n"
    order = [
        "linux-source-7.2",
        "unpack linux-source-7.2 7.2.13-1",
        "lay our own files",
        "patch",
        "configure",
        "compile the kernel",
    ]
    assert [step for step in dict.fromkeys(steps) if step in order] == order
    assert building.installed(tmp_path / "kernels") == built
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["apt", "kernels", "lock", "packages"]


def test_the_second_time_it_comes_out_of_the_cache(published, build):
    first, _ = build()
    again, steps = build()
    assert again == first
    assert "compile the kernel" not in steps


@pytest.mark.parametrize("change", ["patch", "config", "file", "new file"])
def test_another_patch_option_or_file_is_another_kernel(published, build, host, tmp_path, change):
    first, _ = build()
    if change == "patch":
        (host / "patches" / "fix" / "0002-three.patch").write_text(PATCH.replace("-two\n+2\n three", " 2\n-three\n+3"))
    elif "file" in change:
        (host / "files" / "drivers" / ("gaol.c" if change == "file" else "new.c")).write_text("five\n")
    else:
        (host / "gaol.config").write_text("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n")
    assert building.installed(tmp_path / "kernels") is None
    second, _ = build()
    assert second.hash != first.hash
    assert building.installed(tmp_path / "kernels") == second


def test_a_newer_version_is_taken_when_a_build_is_asked_for(published, debian, build, tmp_path):
    first, _ = build()
    debian.publish("sid", debian.package("7.2.14-1"))
    assert building.installed(tmp_path / "kernels") == first
    second, _ = build()
    assert second.version == "7.2.14"


def test_a_damaged_entry_is_made_again(published, build, tmp_path):
    first, _ = build()
    (tmp_path / "cache/kernels" / first.name / "linux").write_text("worm")
    again, steps = build()
    assert any("is damaged" in step and "building it again" in step for step in steps)
    assert again == first
    assert again.binary.read_text() == "one\n2\nthree\n"


def test_a_damaged_kernel_in_the_store_is_not_taken_for_installed(published, build, tmp_path):
    first, _ = build()
    first.binary.write_text("worm")
    assert building.installed(tmp_path / "kernels") is None
    build()
    assert building.installed(tmp_path / "kernels") == first


def test_a_damaged_package_is_removed_and_fetched_again(published, build, debian, tmp_path):
    first, _ = build()
    package = tmp_path / "cache/packages/linux-source-7.2_7.2.13-1_all.deb"
    package.write_bytes(b"worm")
    for path in (tmp_path / "cache/kernels").iterdir():
        (path / "linux").unlink()
    assert build()[0] == first


def test_an_option_that_is_lost_is_named(published, build, host):
    (host / "gaol.config").write_text("CONFIG_A=y\nCONFIG_DROPPED=y\n")
    with pytest.raises(Failed, match=r"CONFIG_DROPPED=y \(is n\)") as caught:
        build()
    assert "CONFIG_A" not in caught.value.why


def test_a_patch_that_no_longer_applies(debian, host, build, tmp_path):
    debian.publish("sid", debian.package("7.2.13-1", text="uno\ndos\ntres\n"))
    with pytest.raises(Failed, match=r"0001-two\.patch does not apply.*main\.c: Hunk #1 FAILED"):
        build()
    assert list((tmp_path / "cache").glob("build-*")) == []
    assert cache.entries(tmp_path / "kernels") == []


def test_source_that_does_not_compile(debian, host, build):
    debian.publish("sid", debian.package("7.2.13-1", text="one\ntwo\nthree\nbroken\n"))
    with pytest.raises(Failed, match="does not compile") as caught:
        build()
    assert "CC      main.o" in caught.value.why


def test_a_series_without_patches(published, build):
    with pytest.raises(NotFound, match=r'no kernel series "6\.1": there are patches for 7\.2'):
        build(series="6.1")


def test_no_room(published, build, monkeypatch):
    monkeypatch.setattr(building, "SPACE", 1 << 60)
    with pytest.raises(Failed, match="not enough space") as caught:
        build()
    assert "CACHE" in caught.value.hint


def test_what_an_interrupted_build_left_is_removed(published, build, tmp_path):
    stale = tmp_path / "cache/build-stale/linux"
    stale.mkdir(parents=True)
    build()
    assert not stale.exists()
