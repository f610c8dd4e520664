"""Fills a tree from a tar archive, or an OCI image. Both are strangers' work, so it is done confined."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

from gaoler.errors import Failed, NotFound, Usage
from gaoler.host import btrfs, confinement
from gaoler.host.confinement import Bind, Confinement, ProgramFailed
from gaoler.setup.progress import Progress, Report

_MAGIC = {b"\x1f\x8b": "--gzip", b"\xfd7zXZ": "--xz", b"\x28\xb5\x2f\xfd": "--zstd", b"BZh": "--bzip2"}
_REFERENCE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}")
_TAG = "base"
_DESCRIPTOR_MAX = 4 << 20


def tar(archive: str, tree: Path, report: Report, *, lock: int) -> None:
    """Unpack an archive of a root tree, plain or compressed. Raises NotFound, Failed."""
    path = _file(archive)
    with path.open("rb") as file:
        start = file.read(8)
    compression = [option for magic, option in _MAGIC.items() if start.startswith(magic)]
    report(Progress(f"unpacking {path.name}"))
    words = ["tar", "--extract", *compression, "--file=-", "--directory=/tree", "--preserve-permissions", "--same-owner"]
    words += ["--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--sparse", "--delay-directory-restore"]
    _run(words, Confinement((Bind(str(tree), "/tree", writable=True),), standard_input=str(path)), archive, lock)


def oci(image: str, aside: Path, report: Report, *, lock: int, first_id: int) -> Path:
    """Unpack an image: from a layout, an archive (of OCI's or docker's kind) or a registry. Returns the tree, a subvolume.

    `aside` is an absent directory to work in. Whiteouts, links across layers and extended attributes are umoci's affair.
    Raises NotFound, Usage, Failed.
    """
    aside.mkdir(mode=0o700)
    (layout := aside / "layout").mkdir()
    report(Progress(f"fetching {image}"))
    work = Bind(str(layout), "/layout", writable=True, mapped=True)
    policy = {place: place for place in ("/etc/containers/policy.json", "/etc/containers/registries.conf")}
    if image.startswith("/"):
        source, bind = _local(image)
        confined = Confinement((work, bind), policy)
    else:
        if not _REFERENCE.fullmatch(image):
            raise Usage(f'"{image[:60]}" names no image', "a path, or a reference such as docker.io/library/debian:12", "")
        source = f"docker://{image}"
        certificates = Bind("/etc/ssl/certs", "/etc/ssl/certs")
        confined = Confinement((work, certificates), policy, first_id=first_id)
    # Its scratch files go beside the image: /tmp is small in there.
    _run(["skopeo", "--tmpdir=/layout", "copy", "--quiet", source, f"oci:/layout:{_TAG}"], confined, image, lock)
    report(Progress(f"unpacking {image}"))
    (out := aside / "out").mkdir()
    btrfs.create(out / "tree")
    # umoci insists on making the directory itself, or on finding it empty.
    whole = Confinement((Bind(str(layout), "/layout"), Bind(str(out), "/out", writable=True)))
    _run(["umoci", "raw", "unpack", "--image", f"/layout:{_TAG}", "/out/tree"], whole, image, lock)
    return out / "tree"


def _local(image: str) -> tuple[str, Bind]:
    path = Path(image)
    if path.is_dir():
        if not (path / "index.json").is_file():
            raise Failed(f"{image} is no OCI layout", "it has no index.json", "umoci init, skopeo copy ... oci:PATH:TAG")
        return f"oci:/image{_tag(path)}", Bind(image, "/image")
    _file(image)
    with tarfile.open(path) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    kind = "oci-archive" if "index.json" in names else "docker-archive"
    return f"{kind}:/image/{path.name}", Bind(str(path.parent), "/image")


def _tag(layout: Path) -> str:
    """The only image of a layout needs no name; of several, the one named `latest` is meant."""
    try:
        with (layout / "index.json").open("rb") as file:
            index = json.loads(file.read(_DESCRIPTOR_MAX))
        tags = [item.get("annotations", {}).get("org.opencontainers.image.ref.name") for item in index["manifests"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Failed(f"{layout} is no OCI layout", "its index.json makes no sense", "skopeo inspect oci:PATH:TAG") from None
    if len(tags) == 1:
        return f":{tags[0]}" if tags[0] and _REFERENCE.fullmatch(tags[0]) else ""
    if "latest" in tags:
        return ":latest"
    raise Usage(f"{layout} holds {len(tags)} images", "none is named latest", "skopeo copy the one to a layout of its own")


def _file(path: str) -> Path:
    if not path.startswith("/"):
        raise Usage("the archive must be given by its absolute path", path[:100], "gaol base add NAME --tar /srv/tree.tar")
    if not Path(path).is_file():
        raise NotFound(f"no file {path}", "", "ls")
    return Path(path)


def _run(words: list[str], confined: Confinement, source: str, lock: int) -> None:
    try:
        confinement.run(words, confined, lambda _: None, lock=lock)
    except ProgramFailed as error:
        said = "; ".join(line.strip()[:300] for line in error.tail[-4:])
        raise Failed(
            f"can't unpack {source}", f"{error.what}: {said}", "is it whole? is the store full? gaol store info"
        ) from None
