"""Compiles the kernel."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

#: Lines of kbuild that stand for an object made, `  CC      fs/open.o`; as `make -n` shows what would print one, with an echo.
_OBJECT = re.compile(r"(?:.*echo ')?  (?:CC|AS)\s+(\S+\.o)\b")

#: Lines that say why a build failed.
_TELLING = re.compile(r"error: |undefined reference|No rule to make")

#: Where Debian's ccache has compilers that look first whether they have made the same before.
CCACHE = Path("/usr/lib/ccache")


def compile_kernel(tree: Path, kept: Path, report: Report) -> int:
    """Makes tree/linux; gives the number of objects.

    The same source and configuration give the same bytes on every host: no time, user or host name goes in. Where ccache is
    installed, what was compiled before comes from `kept`, a directory of its own.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime((tree / "MAINTAINERS").stat().st_mtime))
    fixed = {"KBUILD_BUILD_TIMESTAMP": stamp, "KBUILD_BUILD_USER": "gaoler", "KBUILD_BUILD_HOST": "gaoler"}
    environment = {**plain_environment(), **fixed}
    if CCACHE.is_dir():
        environment["PATH"] = f"{CCACHE}:{environment['PATH']}"
        # The tree lies in another directory each time, which no object tells.
        environment |= {"CCACHE_DIR": str(kept), "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1", "CCACHE_MAXSIZE": "1G"}
    _make(tree, environment, "prepare", lambda _: None, Progress("prepare to compile the kernel"), report)
    total = _count(tree, environment)
    made = 0

    def on_line(line: str) -> None:
        nonlocal made
        if match := _OBJECT.match(line):
            made += 1
            report(Progress("compile the kernel", made, total, "objects", match[1]))

    _make(tree, environment, "linux", on_line, Progress("compile the kernel", 0, total, "objects"), report)
    report(Progress("compile the kernel", made, made, "objects"))
    return made


def _make(
    tree: Path, environment: dict[str, str], target: str, on_line: Callable[[str], None], step: Progress, report: Report
) -> None:
    report(step)
    stream(
        ["nice", "-n", "10", "make", "ARCH=um", f"-j{_jobs()}", target],
        on_line,
        what="the kernel does not compile",
        hint="the lines above name the file; components are installed by: sudo make up",
        telling=_TELLING,
        cwd=tree,
        env=environment,
    )


def _count(tree: Path, environment: dict[str, str]) -> int | None:
    """How many objects are to be made, by make itself (1 to 3 s); None where it doesn't say.

    It goes through everything but the last link, which needs files that are not there yet: thus its exit code says nothing.
    """
    words = ["make", "--dry-run", "--keep-going", "ARCH=um", f"-j{_jobs()}", "linux"]
    done = subprocess.run(words, cwd=tree, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return len({match[1] for line in done.stdout.splitlines() if (match := _OBJECT.match(line))}) or None


def _jobs() -> int:
    return len(os.sched_getaffinity(0))
