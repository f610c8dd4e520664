"""A program that is executed often, and by a way that what it starts can't overwrite it."""

from __future__ import annotations

import fcntl
import os
from functools import cache
from pathlib import Path

from gaoler.errors import Failed

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

_OUT_OF_THE_WAY = 256  # children are given descriptors of low numbers, which must not cover this one


@cache
def sealed(program: Path, package: str) -> str:
    """The path of a sealed copy of `program`, for this process' children as long as this process runs.

    crun protects itself from being overwritten through /proc/PID/exe (CVE-2019-5736) by executing a copy of itself at
    each start, and leaves that out where it is such a copy already: 1.4 instead of 2.7 ms to its first own work.
    """
    try:
        content = program.read_bytes()
    except FileNotFoundError as error:
        raise Failed(f"can't run {program}", "it is not installed", f"apt install {package}") from error
    low = os.memfd_create(program.name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(low)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return f"/proc/self/fd/{fd}"
