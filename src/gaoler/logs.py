"""The daemon's log: lines with priorities where the journal takes them; elsewhere dated lines in a file of bounded size."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

LIMIT = 1 << 20
"""Bytes: some ten thousand lines, which whoever looks for a reason reads from the end."""
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))
"""Of syslog(3), as sd-daemon(3) has them before a line."""


def printable(text: object) -> str:
    """Text as one line of a log: what comes from people or machines can't pass for another line, or move a reader's cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def opened(path: Path) -> int:
    """A log that goes on where the one before ended, root's alone: it names users and what they do.

    A descriptor, the caller's to close. Raises OSError. The file is a new one: who could read an earlier one can't read this.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as former:
            status = os.fstat(descriptor)
            former.seek(max(0, status.st_size - LIMIT // 2))
            kept = former.read(LIMIT // 2) if stat.S_ISREG(status.st_mode) else b""
    except OSError:
        kept = b""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    os.write(descriptor, kept)
    return descriptor


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written there goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    with suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False


class Prefixed(logging.Formatter):
    """For the journal: each line with its priority, which journalctl -p knows; it has the time and the program's name itself."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines() or [""])


def formatter(stream: TextIO, environment: Mapping[str, str]) -> logging.Formatter:
    if is_journal(stream, environment):
        return Prefixed("%(message)s")
    return logging.Formatter("%(asctime)s gaoler: %(message)s", "%Y-%m-%d %H:%M:%S")


class Bounded(logging.StreamHandler):  # type: ignore[type-arg]
    """Messages to standard error; where that is a file of `opened`, its older half goes when it is full."""

    def __init__(self, stream: TextIO | None = None, limit: int = LIMIT) -> None:
        super().__init__(stream or sys.stderr)
        self._descriptor = self.stream.fileno()
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.flush()
        try:
            status = os.fstat(self._descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_size > self._limit:
                self._shorten(status.st_size)
        except OSError:
            self.handleError(record)

    def _shorten(self, size: int) -> None:
        """Somebody who reads along sees the file shrink, as with `> log`. What else is written meanwhile is appended."""
        kept = os.pread(self._descriptor, self._limit // 2, size - self._limit // 2)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, kept[kept.find(b"\n") + 1 :])
