"""Fills a tree from a tar archive. It is a stranger's work, so it is done confined."""

from __future__ import annotations

from pathlib import Path

from gaoler.bases import space
from gaoler.bases.sources.source import Made, Work, subvolume
from gaoler.errors import Failed, NotFound, Usage
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.progress import Progress, Report

_MAGIC = {b"\x1f\x8b": "--gzip", b"\xfd7zXZ": "--xz", b"\x28\xb5\x2f\xfd": "--zstd", b"BZh": "--bzip2"}


class Tar(Made):
    """An archive of a root tree, plain or compressed."""

    kind = "tar"

    def check(self) -> None:
        self._must_be_absolute()

    def paths(self) -> list[str]:
        return [self.argument]

    def fill(self, tree: Path, work: Work) -> Path:
        fill(self.argument, subvolume(tree), work.report, lock=work.lock)
        return tree


def fill(archive: str, tree: Path, report: Report, *, lock: int) -> None:
    """Unpack an archive of a root tree, plain or compressed. Raises NotFound, Usage, Failed."""
    path = file_of(archive)
    with path.open("rb") as file:
        start = file.read(8)
    compression = [option for magic, option in _MAGIC.items() if start.startswith(magic)]
    words = ["tar", "--extract", *compression, "--file=-", "--directory=/tree", "--preserve-permissions", "--same-owner"]
    words += ["--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--sparse", "--delay-directory-restore"]
    confined = Confinement((Bind(str(tree), "/tree", writable=True),), standard_input=str(path))
    unpacked(words, confined, archive, report, lock=lock)


def unpacked(words: list[str], confined: Confinement, source: str, report: Report, *, lock: int) -> None:
    """Run a program that unpacks `source`, and look every second whether there is room for more. Raises Failed."""
    step = Progress(f"unpacking {source}")
    try:
        confinement.run(words, confined, lambda _: None, lock=lock, pulse=lambda: report(step))
    except ProgramFailed as error:
        if space.is_full(error.tail):
            raise space.NoSpace from None
        said = "; ".join(line.strip()[:300] for line in error.tail[-4:])
        raise Failed(f"can't unpack {source}", f"{error.what}: {said}", "gaol store info") from None


def file_of(path: str) -> Path:
    """Raises Usage, NotFound."""
    if not path.startswith("/"):
        raise Usage("the archive must be given by its absolute path", path[:100], "gaol base add NAME --tar /srv/tree.tar")
    if not Path(path).is_file():
        raise NotFound(f"no file {path}", "nothing of that name is here", f"ls {Path(path).parent}")
    return Path(path)
