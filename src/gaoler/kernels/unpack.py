"""Unpacks a Debian kernel source package: a package that holds one tarball."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.kernels.source import Source
from gaoler.progress import Progress, Report

#: tar(1) writes a checkpoint line every so many records of 10,240 bytes.
CHECKPOINT = 1000
RECORD = 10240

#: Half of the source, which ARCH=um does not read: other processors (but their Kconfig files, which have no dot in
#: their names, are read), documentation, one driver's registers.
_OTHERS = "alpha arc arm arm64 csky hexagon loongarch m68k microblaze mips nios2 openrisc parisc powerpc riscv s390 sh sparc"
UNUSED = (*(f"*/arch/{name}/*.*" for name in (*_OTHERS.split(), "xtensa")), "*.rst", "*/drivers/gpu/drm/amd/include")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(package: Path, source: Source, into: Path, report: Report) -> None:
    """Fills `into` with the source tree; raises Failed when the package is not the one that the signed index lists."""
    if sha256(package) != source.sha256:
        package.unlink()
        raise Failed(
            f"{package.name} is damaged", "its SHA-256 is not the one of the signed index; it was removed", "gaol kernel build"
        )
    deb = into.parent / "deb"
    run(["dpkg-deb", "-x", str(package), str(deb)])
    (tarball,) = (deb / "usr" / "src").glob("linux-source-*.tar.xz")
    into.mkdir()
    step = f"unpack {source.package} {source.version}"

    def on_line(line: str) -> None:
        if match := re.search(r"checkpoint (\d+)", line):
            report(Progress(step, int(match[1]) * RECORD, None, "bytes"))

    report(Progress(step))
    checkpoints = [f"--checkpoint={CHECKPOINT}", "--checkpoint-action=echo=checkpoint %u"]
    stream(
        [
            "tar",
            "-C",
            str(into),
            "--strip-components=1",
            *checkpoints,
            *(f"--exclude={pattern}" for pattern in UNUSED),
            "-xJf",
            str(tarball),
        ],
        on_line,
        what=f"can't unpack {tarball.name}",
        hint="check free space: the source takes 2 GB",
        env={**plain_environment(), "XZ_DEFAULTS": "-T0"},
    )
