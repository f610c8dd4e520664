"""The log of a program that no systemd watches: a file that grows no larger than it is told, and keeps what was said last."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path
from typing import TextIO

LIMIT = 1 << 20
"""Bytes: some ten thousand lines, which whoever looks for a reason reads from the end."""


def opened(path: Path) -> int:
    """A new log, root's alone: it names users and what they do. A descriptor, the caller's to close. Raises OSError."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)


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
