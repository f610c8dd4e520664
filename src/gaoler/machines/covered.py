"""Places in homes that the host has mounted something over, told to the machines that show those homes.

A machine has its owner's home without what is mounted below it. Its kernel would show the directory underneath, and take
what is written there to where nobody looks for it. So it refuses such places, which this names in a file of its
configuration, as soon as the host mounts or unmounts anything.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gaoler import files
from gaoler.machines.record import Record

MOUNTS = Path("/proc/1/mountinfo")
"""The host's own view: the daemon's is not told of mounts where none are shared."""
LIMIT = 16384
"""Bytes of the list that a machine's kernel reads (kernel/files/fs/hostfs/covered.c)."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


def below(home: str, mountinfo: bytes) -> list[bytes]:
    """Where something is mounted below `home`, as paths in it: the fifth field of proc_pid_mountinfo(5), unescaped."""
    top = os.fsencode(os.path.realpath(home)).rstrip(b"/") + b"/"
    points = (_OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), line.split()[4]) for line in mountinfo.splitlines())
    return sorted({point.removeprefix(top) for point in points if point.startswith(top)})


def encoded(places: list[bytes]) -> bytes:
    """The file's content: each with a NUL behind it; those below another say nothing more, and are left out."""
    text = b""
    for place in places:
        outermost = not any(place.startswith(other + b"/") for other in places)
        if outermost and len(text) + len(place) < LIMIT:
            text += place + b"\0"
    return text


def tell(path: Path, record: Record, mountinfo: bytes | None = None) -> None:
    """Write it down at `path`, where it has changed, for a machine with a home. Raises OSError."""
    content = encoded(below(record.owner.home, MOUNTS.read_bytes() if mountinfo is None else mountinfo))
    if not path.exists() or path.read_bytes() != content:
        files.replace(path, content, mode=0o644)
