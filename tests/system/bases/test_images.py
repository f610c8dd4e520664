"""Bases from archives and OCI images, well-made and hostile: nothing is ever written outside the tree that is being made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from system.support.bases import Image, contents, small_tree, write_archive
from system.support.gateway import Gateway

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


@pytest.fixture
def outside(tmp_path: Path):
    """Places that a hostile archive aims at, checked afterwards."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "passwd").write_text("root\n")
    before, host = (
        contents(place),
        sorted(os.listdir("/")),
    )
    host = {path: sorted(os.listdir(path)) for path in ("/", "/etc", "/root", "/usr", "/tmp")}
    host["/tmp"] = [name for name in host["/tmp"] if name.startswith("gaoler-evil")]
    yield place
    assert contents(place) == before
    for path, names in host.items():
        now = sorted(os.listdir(path))
        assert [name for name in now if "evil" in name] == [name for name in names if "evil" in name]
    assert not list(Path("/").glob("evil*"))


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path / "image")


def add(gateway: Gateway, option: str, path: Path):
    return gateway.gaol("base", "add", "image", "--replace", option, str(path), timeout=120)


@pytest.fixture(autouse=True)
def removed(gateway: Gateway):
    yield
    gateway.gaol("base", "rm", "image")


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_an_archive_becomes_a_base_that_boots(gateway: Gateway, tree: Path, tmp_path: Path, compression: str):
    os.setxattr(tree / "etc/group", "user.colour", b"green")
    os.link(tree / "etc/group", tree / "etc/group2")
    archive = tmp_path / "tree.tar"
    subprocess.run(["tar", "-C", tree, "--xattrs", "-caf", f"{archive}{compression and '.' + compression}", "."], check=True)
    assert add(gateway, "--tar", Path(f"{archive}{compression and '.' + compression}")).returncode == 0
    assert gateway.gaol("run", "--base", "image", "--no-network", "--", "cat", "/etc/group2").stdout == "root:x:0:\n"
    assert os.getxattr(gateway.store / "image/etc/group2", "user.colour") == b"green"


def test_an_image_of_layers_becomes_a_base_that_boots(gateway: Gateway, tree: Path, image: Image, tmp_path: Path):
    (tree / "etc/gone").write_text("x")
    (tree / "opaque").mkdir()
    (tree / "opaque/old").write_text("x")
    image.add_tree(tree)
    second = tmp_path / "second"
    (second / "etc").mkdir(parents=True)
    (second / "etc/.wh.gone").touch()
    (second / "opaque").mkdir()
    (second / "opaque/.wh..wh..opq").touch()
    (second / "opaque/new").write_text("new")
    (second / "etc/one").write_text("both")
    os.link(second / "etc/one", second / "etc/two")
    os.chown(second / "etc/one", 12, 34)
    os.setxattr(second / "etc/one", "user.colour", b"green")
    image.add_tree(second)
    assert add(gateway, "--oci", image.path).returncode == 0
    there = gateway.store / "image"
    assert not (there / "etc/gone").exists()
    assert os.listdir(there / "opaque") == ["new"]
    one, two = (there / "etc/one").stat(), (there / "etc/two").stat()
    assert one.st_ino == two.st_ino and (one.st_uid, one.st_gid) == (12, 34)
    assert os.getxattr(there / "etc/one", "user.colour") == b"green"
    assert gateway.gaol("run", "--base", "image", "--no-network", "--", "cat", "/etc/two").stdout == "both"
    assert "unchanged" in gateway.gaol("base", "sync", "image", timeout=120).stdout


def test_archives_of_images_are_taken_too(gateway: Gateway, tree: Path, image: Image, tmp_path: Path):
    image.add_tree(tree)
    for kind in ("oci-archive", "docker-archive"):
        archive = tmp_path / f"{kind}.tar"
        subprocess.run(
            ["skopeo", "copy", f"oci:{image.path}:latest", f"{kind}:{archive}:test:latest"], check=True, capture_output=True
        )
        done = add(gateway, "--oci", archive)
        assert done.returncode == 0, done.stderr


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
EVIL = {
    "dots": [("../../../../evil1", {"data": b"x"}), ("etc/../../../../evil1", {"data": b"x"})],
    "absolute": [("/evil2", {"data": b"x"}), ("//etc/evil2", {"data": b"x"})],
    "link to root": [("way", {"type": LINK, "linkname": "/"}), ("way/etc/evil3", {"data": b"x"}), ("way/evil3", {"data": b"x"})],
    "link up": [("up", {"type": LINK, "linkname": "../../.."}), ("up/evil4", {"data": b"x"}), ("up/tmp/evil4", {"data": b"x"})],
    "link over a directory": [("etc", {"type": LINK, "linkname": "/root"}), ("etc/evil5", {"data": b"x"})],
    "hard link up": [("evil6", {"type": HARD, "linkname": "../../../../../../etc/shadow"})],
    "hard link": [("evil6", {"type": HARD, "linkname": "/etc/shadow"})],
    "whiteouts": [("../../.wh.etc", {}), ("way/.wh.passwd", {}), ("etc/.wh...", {}), ("etc/.wh..", {})],
}  # fmt: skip


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("option", ["--tar", "--oci"])
def test_nothing_is_written_outside(
    gateway: Gateway, tree: Path, image: Image, tmp_path: Path, outside: Path, option: str, kind: str
):
    entries = [*EVIL[kind], ("away", {"type": tarfile.SYMTYPE, "linkname": str(outside)}), ("away/passwd", {"data": b"evil"})]
    if option == "--oci":
        image.add_tree(tree)
        image.add_entries(*entries)
        add(gateway, option, image.path)
    else:
        archive = tmp_path / "evil.tar"
        subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
        write_archive(tmp_path / "more.tar", *entries)
        subprocess.run(["tar", "--concatenate", "-f", archive, tmp_path / "more.tar"], check=True)
        add(gateway, option, archive)
    shadow = gateway.store / "image/evil6"
    assert not shadow.exists() or shadow.read_bytes() != Path("/etc/shadow").read_bytes()
    assert Path("/etc/shadow").stat().st_nlink == 1


@pytest.mark.parametrize("option", ["--tar", "--oci"])
def test_devices_are_left_out_and_setuid_stays_behind_the_wall(
    gateway: Gateway, tree: Path, image: Image, tmp_path: Path, option: str
):
    os.mknod(tree / "etc/disk", 0o660 | 0o060000, os.makedev(7, 0))
    os.mknod(tree / "etc/mem", 0o666 | 0o020000, os.makedev(1, 1))
    shutil.copy("/usr/bin/id", tree / "usr/bin/evil-id")
    (tree / "usr/bin/evil-id").chmod(0o6755)
    if option == "--oci":
        image.add_tree(tree)
        path = image.path
    else:
        path = tmp_path / "tree.tar"
        subprocess.run(["tar", "-C", tree, "-cf", path, "."], check=True)
    done = add(gateway, option, path)
    assert done.returncode == 0, done.stderr
    assert not (gateway.store / "image/etc/disk").exists() and not (gateway.store / "image/etc/mem").exists()
    flags = subprocess.run(["findmnt", "-nro", "OPTIONS", gateway.store], capture_output=True, text=True, check=True).stdout
    assert {"nosuid", "nodev"} <= set(flags.strip().split(","))


def test_layouts_that_lie_are_refused(gateway: Gateway, tree: Path, image: Image, tmp_path: Path):
    image.add_tree(tree)
    index = image.path / "index.json"
    good = json.loads(index.read_text())
    digest = good["manifests"][0]["digest"].split(":")[1]
    for change in ("[]", "{", json.dumps({"manifests": 7}), json.dumps({"manifests": []}), "\0" * 100):
        index.write_text(change)
        assert add(gateway, "--oci", image.path).returncode in (1, 2)
    index.write_text(json.dumps(good))
    blob = image.path / "blobs/sha256" / digest
    blob.unlink()
    blob.symlink_to("/etc/shadow")
    done = add(gateway, "--oci", image.path)
    assert done.returncode == 1
    assert "root:" not in done.stderr, "nothing of the host's files is told"
