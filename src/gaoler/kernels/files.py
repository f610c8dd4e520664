"""Gaoler's own files of the kernel: kernel/files, laid over the source before the patches."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import Failed
from gaoler.kernels.unpack import sha256
from gaoler.progress import Progress, Report

_HINT = "see kernel/README.md: carry over to kernel/files what upstream changed, then add the new SHA-256 to kernel/replaced"


@dataclass(frozen=True, slots=True)
class Overlay:
    """`root` holds the files, each where it belongs in the source; `replaced` lists what of the source gives way to them."""

    root: Path
    replaced: Path

    def files(self) -> list[str]:
        """Paths below `root`, in order."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def known(self) -> dict[str, set[str]]:
        """For each path that gives way, the SHA-256 of the versions that ours were written from; raises Failed."""
        found: dict[str, set[str]] = {}
        for number, line in enumerate(self.replaced.read_text().splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            digest, separator, path = line.partition("  ")
            if not separator or len(digest) != 64:
                why = "a line is `SHA256  PATH`, as sha256sum(1) writes it"
                raise Failed(f"{self.replaced}, line {number} can't be read", why, _HINT)
            found.setdefault(path, set()).add(digest)
        return found


def lay(tree: Path, overlay: Overlay, report: Report) -> None:
    """Puts the files into a pristine source; raises Failed before it changes anything where the source is not a known one."""
    report(Progress("lay our own files"))
    known, files = overlay.known(), overlay.files()
    for path, digests in known.items():
        if not (tree / path).is_file():
            raise Failed(f"{path} is missing from this kernel source", "kernel/replaced names it", _HINT)
        if sha256(tree / path) not in digests:
            raise Failed(f"{path} of this kernel source is not what ours was written from", "upstream changed it", _HINT)
    for path in files:
        if (tree / path).exists() and path not in known:
            raise Failed(f"{path} is in this kernel source already", "kernel/replaced does not name it", _HINT)
    for path in known:
        (tree / path).unlink()
    for path in files:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(overlay.root / path, tree / path)
