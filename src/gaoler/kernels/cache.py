"""Built kernels, each in a directory VERSION-HASH with a manifest that says what it was made from and what it must be."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gaoler.errors import Failed
from gaoler.kernels.files import Overlay
from gaoler.kernels.kernel import Kernel, name_of
from gaoler.kernels.unpack import sha256

#: Goes into every hash: to be raised when kernels are made differently from the same source, files, patches and configuration.
RECIPE = 1

MANIFEST = "manifest.json"


class Damaged(Failed):
    """An entry that is not what its manifest says, or that somebody else could have written."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What gaoler adds to a kernel's source: the same for every version."""

    fragment: Path
    overlay: Overlay
    patches: tuple[Path, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of configuration, files and patches, names included."""
        total = hashlib.sha256(f"recipe {RECIPE}\n".encode())
        for path in (self.fragment, *self.patches):
            total.update(f"{path.name} {sha256(path)}\n".encode())
        for name in sorted(self.overlay.known()):
            total.update(f"- {name}\n".encode())
        for name in self.overlay.files():
            total.update(f"{name} {sha256(self.overlay.root / name)}\n".encode())
        return total.hexdigest()

    def hash(self, source_version: str) -> str:
        """Names a build: 12 hex digits over source version, configuration, files and patches."""
        return hashlib.sha256(f"{source_version} {self.digest}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`version` is upstream's (7.2.13), `source` Debian's (7.2.13-1); `objects` were compiled in `seconds`."""

    version: str
    series: str
    hash: str
    source: str
    source_sha256: str
    recipe: str
    patches: Sequence[str]
    linux_sha256: str
    linux_size: int
    objects: int
    seconds: float

    @property
    def name(self) -> str:
        return name_of(self.version, self.hash)

    def kernel(self, directory: Path) -> Kernel:
        """The kernel that it tells of, in a directory of kernels."""
        return Kernel(self.version, self.hash, directory / self.name)


def upstream(debian_version: str) -> str:
    """`7.3.4` of `7.3.4-1~bpo13+1`."""
    return debian_version.rpartition(":")[2].partition("-")[0].partition("~")[0].partition("+")[0]


def read(entry: Path) -> Manifest:
    """The manifest of a directory, checked against the kernel beside it; raises Damaged."""
    check_owner(entry)
    try:
        fields = json.loads((entry / MANIFEST).read_text())
        manifest = Manifest(**fields)
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(f"{entry} is not a kernel of gaoler's", f"its manifest can't be read: {error}") from error
    kernel = entry / "linux"
    if manifest.name != entry.name:
        raise Damaged(f"{entry} is not what its name says", f"its manifest is of {manifest.name}")
    if not kernel.is_file() or sha256(kernel) != manifest.linux_sha256:
        raise Damaged(f"{kernel} is damaged", "its SHA-256 is not the manifest's")
    return manifest


def check_owner(entry: Path) -> None:
    """Root will start what lies here: nobody else may have been able to put it there."""
    for path in (entry, entry / "linux", entry / MANIFEST):
        try:
            status = path.lstat()
        except OSError as error:
            raise Damaged(f"{entry} is incomplete", f"{path.name}: {error.strerror}") from error
        if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise Damaged(f"{path} is not ours alone", "it is a link, has another owner, or others may write it")


def store(linux: Path, manifest: Manifest, directory: Path, config: Path | None = None) -> Path:
    """Puts a kernel into `directory` in one step; replaces an entry of the same name."""
    directory.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
    try:
        shutil.copyfile(linux, staging / "linux")
        (staging / "linux").chmod(0o755)
        (staging / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        if config is not None and config.exists():
            shutil.copyfile(config, staging / "config")
        staging.chmod(0o755)
        entry = directory / manifest.name
        if entry.exists():
            shutil.rmtree(entry)
        staging.rename(entry)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return entry


def entries(directory: Path) -> list[Manifest]:
    """The sound kernels of a directory, newest version first; what is damaged is left out."""
    found = []
    for entry in directory.glob("*-*"):
        try:
            found.append(read(entry))
        except Damaged:
            continue
    return sorted(found, key=lambda manifest: version_key(manifest.version), reverse=True)


def version_key(version: str) -> tuple[int, ...]:
    """Orders upstream's versions by their numbers."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
