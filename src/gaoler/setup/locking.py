"""One set-up at a time in a prefix: a second one would remove what the first one makes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaoler.errors import Failed

LOCKS = Path("/proc/locks")


@contextmanager
def locked(prefix: Path) -> Iterator[None]:
    """Hold the directory, which need not be there; nothing is left in it, and what ends us lets it go. Raises Failed."""
    if not prefix.is_dir():
        yield
        return
    held = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = holder(held, LOCKS.read_text())
            why = f"process {other or 'unknown'} makes, stops or removes the installation there"
            raise Failed(f"{prefix} is busy", why, "ps -fC make") from None
        yield
    finally:
        os.close(held)


def holder(held: int, locks: str) -> int:
    """Who has locked the file of descriptor `held`, by the text of proc_locks(5); 0 where that isn't told."""
    there = os.fstat(held)
    place = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}:{there.st_ino}"
    for line in locks.splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5] == place:
            return int(fields[4])
    return 0
