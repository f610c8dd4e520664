"""A person at a terminal: a program on a pty, what it shows, what is typed, the window's size."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from types import TracebackType
from typing import Any

from system.support.waiting import PATIENCE


class Terminal:
    """`shown` is all that the program has written so far."""

    def __init__(self, command: list[str], rows: int = 24, columns: int = 80, **options: Any) -> None:
        self._master, slave = os.openpty()
        self.shown = ""
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        try:
            self.process = subprocess.Popen(
                command,
                stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
                **options,
            )  # fmt: skip
        finally:
            os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def resize(self, rows: int, columns: int) -> None:
        """The kernel sends SIGWINCH to whoever is in the foreground there."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """What a dropped connection does: the kernel sends SIGHUP, and whoever reads or writes here finds nobody."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Read until the pattern shows up, and take all up to its end off `shown`."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.shown)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {timeout:g} s, but {self.shown!r}"
            assert self._read(left), f"it ended without {pattern!r}: {self.shown!r}"
        self.shown = self.shown[found.end() :]
        return found

    def wait(self, timeout: float = PATIENCE) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"it does not end: {self.shown!r}"
        return self.process.wait(timeout)

    def _read(self, timeout: float) -> bool:
        if not select.select([self._master], [], [], max(0, timeout))[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
