"""A machine's console: a FIFO that the kernel writes to, and the bounded log of what it said."""

from __future__ import annotations

import os
import re
from io import FileIO
from pathlib import Path

# Escape sequences (ECMA-48 CSI, OSC and the like up to their ends, then two-character ones), then any other control
# character, C1 included. Newline and tab stay.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # within a line: one without an end hides no more
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def make(path: Path) -> None:
    """Make the FIFO; one that is there stays, with what is in it."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not path.is_fifo():
            raise


def open_both(path: Path) -> int:
    """A descriptor for both directions: with a reader and a writer always there, neither side ever sees an end.

    Not blocking: a full FIFO costs the machine messages, never time.
    """
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)


class Log:
    """A file of what came, byte for byte, and `PATH.1` with what came before; together at most `limit` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._half = max(1, limit // 2)
        self._file: FileIO | None = None

    def append(self, data: bytes) -> None:
        """Raises OSError where the disk takes no more; the next one is tried again."""
        data = data[-self._half :]
        if self._file is None:
            self._file = FileIO(self._path, "ab")
        if self._file.tell() + len(data) > self._half:
            self.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = FileIO(self._path, "ab")
        self._file.write(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def tail(path: Path, size: int) -> bytes:
    """The last `size` bytes of a log at most. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def sanitised(data: bytes) -> str:
    """Console output as text that is safe to print: no escape sequences, no controls but newline and tab."""
    text = data.decode(errors="replace").replace("\r\n", "\n")
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))
