"""Compiles the kernel."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

#: Lines of kbuild that stand for a file made, such as `  CC      fs/open.o`.
_MADE = re.compile(r"\s{2}[A-Z][A-Z0-9_]*( \[M\])?\s+\S+")

#: Lines that say why a build failed.
_TELLING = re.compile(r"error: |undefined reference|No rule to make")

#: How many files a build tells to have made, for the first one on a host; measured with 7.2.13. Later builds know better.
TYPICAL_OBJECTS = 1760


def compile_kernel(tree: Path, expected: int, report: Report) -> int:
    """Makes tree/linux; gives the number of files made, for the next build's progress.

    The same source and configuration give the same bytes on every host: no time, user or host name goes in.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime((tree / "MAINTAINERS").stat().st_mtime))
    fixed = {"KBUILD_BUILD_TIMESTAMP": stamp, "KBUILD_BUILD_USER": "gaoler", "KBUILD_BUILD_HOST": "gaoler"}
    made = 0

    def on_line(line: str) -> None:
        nonlocal made
        if _MADE.match(line):
            made += 1
            report(Progress("compile the kernel", min(made, expected - 1), expected, "objects", line.rsplit(maxsplit=1)[-1]))

    jobs = len(os.sched_getaffinity(0))
    stream(
        ["nice", "-n", "10", "make", "ARCH=um", f"-j{jobs}", "linux"],
        on_line,
        what="the kernel does not compile",
        hint="the lines above name the file; components are installed by: sudo make up",
        telling=_TELLING,
        cwd=tree,
        env={**plain_environment(), **fixed},
    )
    report(Progress("compile the kernel", made, made, "objects"))
    return made
