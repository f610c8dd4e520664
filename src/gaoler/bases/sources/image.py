"""Fills a tree from an OCI image: of a layout, an archive (of OCI's or docker's kind) or a registry.

skopeo fetches and checks each part against its digest; umoci unpacks. Both read strangers' work, so they are confined.
"""

from __future__ import annotations

import json
import re
import tarfile
import time
from pathlib import Path

from gaoler.bases import space
from gaoler.bases.history import Recipe
from gaoler.bases.sources.archive import file_of, unpacked
from gaoler.bases.sources.source import Made, Means, Registries, Work, subvolume
from gaoler.errors import Failed, GaolerError, NotFound, Usage
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.progress import Progress, Report

SILENCE = 300.0
"""Seconds without a byte until a registry is given up."""
_ANSWER = 60
"""Seconds for a registry to tell what it has."""
_PART = r"[a-zA-Z0-9][a-zA-Z0-9._-]*"
_REFERENCE = re.compile(rf"{_PART}(?::\d{{1,5}})?(?:/{_PART})+(?::[\w.-]{{1,128}})?(?:@sha256:[0-9a-f]{{64}})?")
_HOST = re.compile(r"localhost|.*[.:].*")
_TAG_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = "base"
_DESCRIPTOR_MAX = 4 << 20
_CERTIFICATES = "/etc/containers/certs.d"
_CREDENTIALS = "/root/auth.json"

#: What skopeo says, what that means, and what to do; `{}` is the registry.
_WHY = (
    (
        "HTTP response to HTTPS client",
        "it does not speak TLS",
        'insecure = ["{}"] in [registries], if you trust the network',
    ),
    (
        "x509:|certificate",
        "its certificate is not one that this host trusts",
        "put its CA's certificate into /etc/containers/certs.d/{}/ca.crt",
    ),
    (
        "unauthorized|authentication required|access to the resource is denied",
        "it wants credentials, or does not take these",
        "skopeo login --authfile /etc/gaoler/registries.json {}",
    ),
    ("manifest unknown|name unknown|not found", "it has no such image", "skopeo list-tags docker://{}/NAME"),
    (
        "[Dd]igest did not match|[Dd]igest mismatch|does not match|unexpected EOF|invalid checksum|short read",
        "what it sends is not what its digest says",
        "push the image again, or ask who keeps the registry",
    ),
    (
        "connection refused|no such host|i/o timeout|deadline exceeded|unreachable",
        "it can't be reached",
        "is it running, and is this host let in?",
    ),
)


class Oci(Made):
    """An image of a registry, by name, or of this host, by path."""

    kind = "oci"

    def __init__(self, recipe: Recipe, means: Means) -> None:
        super().__init__(recipe, means)
        self._wanted = recipe.argument

    def check(self) -> None:
        reference(self.argument)

    def paths(self) -> list[str]:
        return [self.argument] if reference(self.argument) is None else []

    def digest(self, work: Work) -> str | None:
        """Of an image in a registry. From then on, what has it is what is fetched, whoever moves the tag meanwhile."""
        name = reference(self.argument)
        if name is None:
            return None
        found = digest(name, self.means.registries, work.report, lock=work.lock)
        self._wanted = pinned(name, found)
        return found

    def fill(self, tree: Path, work: Work) -> Path:
        return fill(self._wanted, tree, self.means.registries, work.report, lock=work.lock)


def reference(image: str) -> str | None:
    """The name in a registry that `image` is; None for a path. Raises Usage for what is neither."""
    if image.startswith("/"):
        return None
    name = image.removeprefix("docker://")
    if not _REFERENCE.fullmatch(name) or not _HOST.fullmatch(host_of(name)):
        why = "a path, or a name with its registry: docker://HOST/IMAGE:TAG"
        raise Usage(f'"{image[:60]}" names no image', why, "gaol base add tools --oci docker://registry.example/debian:12")
    return name


def host_of(name: str) -> str:
    """The registry of a name. No registry is meant by leaving it out."""
    return name.partition("/")[0]


def digest(name: str, registries: Registries, report: Report, *, lock: int) -> str:
    """What a name in a registry stands for now. Raises Failed."""
    report(Progress(f"asking {host_of(name)} for {name}"))
    found: list[str] = []

    def on_line(line: str) -> None:
        if _DIGEST.fullmatch(line):
            found.append(line)

    words = [
        "skopeo",
        f"--command-timeout={_ANSWER}s",
        "inspect",
        "--no-tags",
        "--format={{.Digest}}",
        *_options(name, registries, ""),
    ]
    _run([*words, f"docker://{name}"], _confined((), registries), name, lock, on_line)
    if len(found) != 1:
        raise Failed(f"can't fetch {name}", "skopeo tells no digest of it", f"skopeo inspect docker://{name}")
    return found[0]


def pinned(name: str, found: str) -> str:
    """The name with a digest instead of a tag: what was asked for is what is fetched, whoever moves the tag meanwhile."""
    host, _, path = name.partition("@")[0].partition("/")
    return f"{host}/{path.partition(':')[0]}@{found}"


def fill(image: str, aside: Path, registries: Registries, report: Report, *, lock: int) -> Path:
    """Unpack an image. Returns the tree, a subvolume below `aside`, an absent directory to work in.

    Whiteouts, links across layers and extended attributes are umoci's affair. Raises NotFound, Usage, Failed.
    """
    (layout := subvolume(aside) / "layout").mkdir()
    work = Bind(str(layout), "/layout", writable=True, mapped=True)
    copy = ["skopeo", "--tmpdir=/layout", "copy", "--quiet"]  # its scratch files go beside the image: /tmp is small in there
    target = f"oci:/layout:{_TAG}"
    name = reference(image)
    if name is None:
        source, bind = _local(image)
        words, confined = [*copy, source, target], Confinement((work, bind), _policy())
    else:
        words = [*copy, *_options(name, registries, "src-"), f"docker://{name}", target]
        confined = _confined((work,), registries)
    _run(words, confined, image, lock, lambda _: None, _watch(layout, f"fetching {image}", report))
    (out := aside / "out").mkdir()
    tree = subvolume(out / "tree")
    # umoci insists on making the directory itself, or on finding it empty.
    whole = Confinement((Bind(str(layout), "/layout"), Bind(str(out), "/out", writable=True)))
    unpacked(["umoci", "raw", "unpack", "--image", f"/layout:{_TAG}", "/out/tree"], whole, image, report, lock=lock)
    return tree


def _policy() -> dict[str, str]:
    return {place: place for place in ("/etc/containers/policy.json", "/etc/containers/registries.conf")}


def _confined(binds: tuple[Bind, ...], registries: Registries) -> Confinement:
    """With the network, the certificates of this host, and the credentials."""
    trusted = [Bind("/etc/ssl/certs", "/etc/ssl/certs")]
    if registries.certificates.is_dir():
        trusted.append(Bind(str(registries.certificates), _CERTIFICATES))
    copies = {**_policy(), _CREDENTIALS: str(registries.credentials)}
    return Confinement((*binds, *trusted), copies, first_id=registries.first_id)


def _options(name: str, registries: Registries, prefix: str) -> list[str]:
    words = [f"--{prefix}tls-verify=false"] if host_of(name) in registries.insecure else []
    return [*words, f"--{prefix}authfile={_CREDENTIALS}"] if registries.credentials.is_file() else words


def _watch(layout: Path, step: str, report: Report) -> confinement.Pulse:
    """Tells how much has come, and ends a fetch that nothing comes of any more."""
    last, since = -1, time.monotonic()

    def pulse() -> None:
        nonlocal last, since
        come = sum(path.stat().st_size for path in layout.rglob("*") if path.is_file())
        report(Progress(step, come, None, "bytes"))
        if come != last:
            last, since = come, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            raise Failed("the registry fell silent", f"for {SILENCE:g} s, after {come} bytes", "gaol base sync, later")

    return pulse


def _local(image: str) -> tuple[str, Bind]:
    path = Path(image)
    if path.is_dir():
        if not (path / "index.json").is_file():
            raise Failed(f"{image} is not an OCI layout", "it has no index.json", "skopeo copy docker://IMAGE oci:PATH:TAG")
        return f"oci:/image{_tag(path)}", Bind(image, "/image")
    file_of(image)
    try:
        with tarfile.open(path) as archive:
            names = {name.removeprefix("./") for name in archive.getnames()}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Failed(f"{image} is not an image", str(error), "skopeo copy docker://IMAGE oci-archive:FILE") from None
    kind = "oci-archive" if "index.json" in names else "docker-archive"
    return f"{kind}:/image/{path.name}", Bind(str(path.parent), "/image")


def _tag(layout: Path) -> str:
    """The only image of a layout needs no name; of several, the one named `latest` is meant."""
    try:
        with (layout / "index.json").open("rb") as file:
            index = json.loads(file.read(_DESCRIPTOR_MAX))
        tags = [item.get("annotations", {}).get("org.opencontainers.image.ref.name") for item in index["manifests"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Failed(f"{layout} is not an OCI layout", "its index.json makes no sense", "skopeo inspect oci:PATH:TAG") from None
    if len(tags) == 1:
        return f":{tags[0]}" if tags[0] and _TAG_NAME.fullmatch(tags[0]) else ""
    if "latest" in tags:
        return ":latest"
    raise Usage(f"{layout} holds {len(tags)} images", "none is named latest", "skopeo copy oci:PATH:TAG oci:OTHER")


def _run(
    words: list[str],
    confined: Confinement,
    image: str,
    lock: int,
    on_line: confinement.OnLine,
    pulse: confinement.Pulse | None = None,
) -> None:
    try:
        confinement.run(words, confined, on_line, lock=lock, pulse=pulse)
    except ProgramFailed as error:
        raise _told(image, error.tail) from None


def _told(image: str, tail: list[str]) -> GaolerError:
    if space.is_full(tail):
        return space.NoSpace()
    said = "; ".join(line.strip()[-300:] for line in tail[-3:])
    name = image.removeprefix("docker://")
    for pattern, why, hint in _WHY:
        if re.search(pattern, said):
            kind = NotFound if "no such image" in why else Failed
            return kind(f"can't fetch {image}", f"{why} ({said})", hint.format(host_of(name)))
    return Failed(f"can't fetch {image}", said, "gaol store info")
