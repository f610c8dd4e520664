"""Cleaning a tree that was filled by somebody hostile: nothing outside it changes, nothing waits."""

import os
import stat

import pytest

from gaoler.bases import check, clean
from gaoler.bases import tree as tree_module
from gaoler.bases.tree import Tree


@pytest.fixture
def outside(tmp_path):
    """What must survive: a tree like a host's, with all that cleaning looks for."""
    outside = tmp_path / "outside"
    fill(outside)
    return outside


@pytest.fixture
def base(tmp_path):
    base = tmp_path / "base"
    fill(base)
    return base


def fill(tree):
    files = ("etc/ssh/ssh_host_ed25519_key", "var/lib/dhcp/dhclient.leases", "var/log/nginx/access.log", "tmp/x/y", "dev/null")
    for name in files:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    (tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (tree / "etc/hostname").write_text("host\n")


def contents(tree):
    return {str(path.relative_to(tree)): path.read_bytes() if path.is_file() else None for path in sorted(tree.rglob("*"))}


def nested(tree, depth):
    """A directory in a directory in a directory: no path names the last one at once."""
    here = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("place", ["root/.ssh", "tmp/deep", "var/log/deep"])
def test_however_deep_a_tree_is_it_is_looked_through_and_cleaned(base, place):
    (base / place).mkdir(parents=True, exist_ok=True)
    nested(base / place, 1500)
    before = len(os.listdir("/proc/self/fd"))
    assert check.survey(base).files > 1500
    clean.clean(base)
    assert clean.leftovers(base) == []
    assert len(os.listdir("/proc/self/fd")) == before
    with Tree(base) as tree:
        tree.remove("root")
        tree.remove("var")
    assert not (base / "var").exists()


def test_a_tree_that_is_deeper_than_is_sane_is_an_error_like_others(base, monkeypatch):
    monkeypatch.setattr(tree_module, "DEEPEST", 100)
    nested(base / "etc", 101)
    with pytest.raises(OSError, match="below each other"):
        check.survey(base)


def test_a_clean_base(base):
    assert "etc/ssh/ssh_host_ed25519_key" in clean.leftovers(base)
    clean.clean(base)
    assert clean.leftovers(base) == []
    assert (base / "etc/machine-id").read_bytes() == b""
    assert (base / "var/log/nginx").is_dir()
    assert not (base / "var/log/nginx/access.log").exists()
    assert list((base / "tmp").iterdir()) == []
    before = contents(base)
    clean.clean(base)
    assert contents(base) == before


@pytest.mark.parametrize("directory", ["etc", "etc/ssh", "var", "var/log", "var/lib/dhcp", "tmp", "dev"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_directory_that_is_a_link_to_outside(base, outside, directory, relative):
    before = contents(outside)
    moved = base / directory
    target = os.path.relpath(outside / directory, moved.parent) if relative else outside / directory
    moved.rename(base / "moved")
    moved.symlink_to(target)
    clean.clean(base)
    assert contents(outside) == before


def test_files_that_are_links_to_outside(base, outside):
    before = contents(outside)
    for name in ("etc/machine-id", "etc/hostname", "etc/ssh/ssh_host_ed25519_key", "var/log/nginx/access.log"):
        (base / name).unlink()
        (base / name).symlink_to(outside / name)
    (base / "tmp/way-out").symlink_to(outside)
    (base / "var/log/way-out").symlink_to(outside)
    clean.clean(base)
    assert contents(outside) == before
    assert clean.leftovers(base) == []


def test_fifos_and_directories_in_the_place_of_files(base):
    (base / "etc/machine-id").unlink()
    os.mkfifo(base / "etc/machine-id")
    (base / "etc/hostname").unlink()
    (base / "etc/hostname").mkdir()
    (base / "etc/hostname/file").write_text("")
    os.mkfifo(base / "var/log/pipe")
    clean.clean(base)
    assert clean.leftovers(base) == []
    assert stat.S_ISREG((base / "etc/machine-id").lstat().st_mode)


def test_links_within_the_tree_are_resolved_with_it_as_the_root(base):
    (base / "var/log").rename(base / "logs")
    (base / "var/log").symlink_to("/logs")
    clean.clean(base)
    assert not (base / "logs/nginx/access.log").exists()


def test_an_empty_tree_needs_no_cleaning_but_an_identity(tmp_path):
    clean.clean(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_dot_dot_stays_inside(base, outside):
    with Tree(base) as tree:
        assert tree.names("../outside/etc/*") == []
        tree.remove("../outside/etc/hostname")
        with pytest.raises(OSError, match="outside"):
            tree.write("../outside/new")
    assert not (outside / "new").exists()
    assert (outside / "etc/hostname").exists()


def test_written_files_replace_what_was_there(base):
    (base / "etc/motd").symlink_to("/etc/hostname")
    with Tree(base) as tree:
        tree.write("etc/motd", b"welcome\n", 0o600)
        tree.make_directory("usr/share/keyrings")
    assert (base / "etc/motd").read_text() == "welcome\n"
    assert stat.S_IMODE((base / "etc/motd").lstat().st_mode) == 0o600
    assert (base / "etc/hostname").read_text() == "host\n"
    assert (base / "usr/share/keyrings").is_dir()


def test_the_root_itself_must_not_be_a_link(base, tmp_path):
    (tmp_path / "link").symlink_to(base)
    with pytest.raises(OSError, match="link"):
        Tree(tmp_path / "link")
