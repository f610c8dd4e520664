"""Lines in a file a day, root's alone, kept for a time and up to a size: the audit, which daemon and page write."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

MOST = 1 << 30
"""Bytes in all: whoever asks without end fills a disk otherwise. The oldest days go first."""
_LOOK = 1 << 20
"""Bytes written between looks at how much there is."""
_log = logging.getLogger(__name__)


class Days:
    """A writer of entries. There may be several of a directory: a line is written at once, at the end of the file."""

    def __init__(self, directory: Callable[[], Path], keep: Callable[[], int], most: int = MOST) -> None:
        """`keep` is in seconds. Both are asked anew each day."""
        self._directory, self._keep, self._most = directory, keep, most
        self._own = threading.Lock()
        self._file: tuple[Path, int] | None = None
        self._written = 0
        self._told = ""

    def note(self, **entry: Any) -> None:
        """Never fails: what can't be written is told, once, in the log."""
        now = datetime.now().astimezone()
        text = json.dumps({"time": now.isoformat(timespec="milliseconds"), **entry})
        line = text.encode() + b"\n"
        with self._own:
            try:
                os.write(self._today(f"{now:%Y-%m-%d}.jsonl"), line)
                self._written += len(line)
                if self._written > _LOOK:
                    self._written = 0
                    self.prune()
                self._told = ""
            except OSError as error:
                told, self._told = self._told, str(error)
                if told != self._told:
                    _log.error("the audit can't be written: %s", error)

    def _today(self, name: str) -> int:
        path = self._directory() / name
        if self._file is None or self._file[0] != path or not path.exists():
            self.leave()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = path, os.open(path, flags, 0o600)
            self._written = _LOOK  # what a new day pushes out is looked for when its first line is written
        return self._file[1]

    def leave(self) -> None:
        """Close the file of the day."""
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def prune(self) -> None:
        """Delete what is older than is to be kept, and the oldest beyond what all may take; never today's."""
        days = sorted(self._directory().glob("????-??-??.jsonl"))[:-1]
        sizes = {day: _size(day) for day in days}
        for day in days:
            is_old = time.time() - _modified(day) > self._keep()
            if is_old or sum(sizes.values()) > self._most:
                if not is_old:
                    _log.warning("the audit takes too much: %s goes before its time", day)
                with suppress(OSError):
                    day.unlink()
                del sizes[day]


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _modified(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return time.time()
