"""A command running inside a machine, seen from here: its streams, its window, its end.

The descriptors come from the daemon but lead straight to the machine's agent (docs/explanation/design.md, Sessions), so a
session outlives the daemon. What comes from the machine is hostile: frames are bounded, their text is not trusted.
"""

from __future__ import annotations

import _thread
import os
import select
import struct
import time
from _socket import SHUT_RD, SHUT_WR, socket  # what is below `socket`, which takes 7 ms to import
from errno import EIO

from gaoler.errors import Failed

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FRAME = struct.Struct("<cI")
FRAME_LIMIT = 256 * 1024
CHUNK = 256 * 1024
GAOLER_FAILED = 125
HUNG_UP = 128 + 1
_TURN = 0.3
"""Seconds between looks whose turn it is at the terminal, while somebody types there."""


class Session:
    """Copies between local descriptors and a session until it ends.

    `descriptors` are the control socket, then the terminal's stream, or those of stdin, stdout and stderr.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        sockets = [socket(fileno=descriptor) for descriptor in descriptors]
        self.control = sockets[0]
        self.input = sockets[1]
        self.has_terminal = len(sockets) == 2
        self.outputs = sockets[1:] if self.has_terminal else sockets[2:]
        for sock in sockets:
            sock.setblocking(True)
        self._frames = bytearray()
        self._code: int | None = None
        self.complaint = ""
        self.killed = ""
        """What was killed inside for want of memory while the command ran, in the machine's words."""
        self._left = False
        self.lost = False
        """Whether the machine ended before the command did."""

    def resize(self, rows: int, columns: int) -> None:
        self._send(b"W", struct.pack("<HH", rows, columns))

    def signal(self, number: int) -> None:
        """Send a signal to the session's foreground process group."""
        self._send(b"S", bytes([number]))

    def hang_up(self) -> None:
        """Our terminal is gone, so the session's goes too: its processes get SIGHUP, and 3 s later SIGKILL."""
        self._code = HUNG_UP
        try:
            self.control.shutdown(SHUT_WR)
        except OSError:
            pass  # it has ended meanwhile

    def leave(self, code: int) -> None:
        """Hang up, and end with `code` whatever the machine does."""
        self.hang_up()
        self._code, self._left = code, True

    def _send(self, kind: bytes, payload: bytes) -> None:
        try:
            self.control.sendall(FRAME.pack(kind, len(payload)) + payload)
        except OSError:
            pass  # it has ended: its exit frame is on the way, or the machine is gone

    def copy(self, stdin: int | None, outputs: Sequence[int], wake: int = -1, woken: Callable[[], None] | None = None) -> int:
        """Copy until the session has ended and all its output is written; the exit code as a shell tells it.

        `wake` is a descriptor (of a signal handler) that calls `woken` when it is readable. 125 with `complaint` set says
        that the machine, not the command, failed. Raises Failed when an output takes no more.
        """
        if stdin is None:
            self._end_input()
        else:
            _thread.start_new_thread(self._copy_input, (stdin,))
        sinks = {sock.fileno(): sink for sock, sink in zip(self.outputs, outputs, strict=True)}
        poller = select.poll()
        for descriptor in (self.control.fileno(), *sinks):
            poller.register(descriptor, select.POLLIN)
        if wake >= 0:
            poller.register(wake, select.POLLIN)
        listening = True
        while (sinks or listening) and not self._left:
            for descriptor, _ in poller.poll():
                if descriptor == wake:
                    os.read(wake, 512)
                    if woken:
                        woken()
                elif descriptor == self.control.fileno():
                    listening = self._read_control()
                    if not listening:
                        poller.unregister(descriptor)
                elif not self._copy_output(descriptor, sinks[descriptor]):
                    poller.unregister(descriptor)
                    del sinks[descriptor]
        if self._code is None:
            self.lost = True
            self._code, self.complaint = GAOLER_FAILED, "the machine ended before the command did"
        return self._code

    def _copy_input(self, stdin: int) -> None:
        read = _read_terminal if os.isatty(stdin) else _read
        while data := read(stdin):
            try:
                self.input.sendall(data)
            except OSError:
                return  # the command no longer reads
        if self.has_terminal:
            self.hang_up()  # Ctrl-D is a character on a raw terminal: only one that is gone has an end
        else:
            self._end_input()

    def _end_input(self) -> None:
        try:
            self.input.shutdown(SHUT_WR)
        except OSError:
            pass  # already gone

    def _copy_output(self, source: int, sink: int) -> bool:
        try:
            data = memoryview(os.read(source, CHUNK))
        except ConnectionResetError:
            return False
        if not data:
            return False
        try:
            while data:
                data = data[_write(sink, data) :]
        except OSError as error:
            if self.has_terminal:
                self.hang_up()
            elif not isinstance(error, BrokenPipeError):
                raise Failed("the command's output can't be written", error.strerror or str(error), "df .") from None
            # Nobody reads our output any more: the command learns it as it would in a pipeline.
            next(sock for sock in self.outputs if sock.fileno() == source).shutdown(SHUT_RD)
            while os.read(source, CHUNK):
                pass  # a writer that waits for room is not told of the shutdown: it must have some, and try again
            return False
        return True

    def _read_control(self) -> bool:
        """Take what frames have come; False once there will be no more."""
        try:
            data = self.control.recv(65536)
        except ConnectionResetError:
            return False
        self._frames += data
        while len(self._frames) >= FRAME.size:
            kind, length = FRAME.unpack_from(self._frames)
            if length > FRAME_LIMIT:
                return False
            if len(self._frames) < FRAME.size + length:
                break
            payload = bytes(self._frames[FRAME.size : FRAME.size + length])
            del self._frames[: FRAME.size + length]
            if kind == b"E" and length >= 2:
                self._code = payload[1] + (128 if payload[0] else 0)
                self.killed = payload[2:].decode(errors="replace")[:200]
            elif kind == b"F" and length:
                self._code = payload[0]
                self.complaint = payload[1:].decode(errors="replace")[:500]
        return bool(data)


# Whoever shares a terminal or pipe with us may have made it non-blocking.


def _read(descriptor: int) -> bytes:
    """What is there next; nothing at the end, which a terminal that hung up tells as EIO."""
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            _wait(descriptor, select.POLLIN)
        except OSError:
            return b""


def in_foreground(terminal: int) -> bool:
    """Whether what is typed at a terminal is for us; so it is where nobody takes turns, for want of job control."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # not the terminal that controls us, or gone


def _read_terminal(descriptor: int) -> bytes:
    """What was typed for us. A job in the background leaves it to the shell, and goes on; by `fg` it is ours again."""
    while True:
        _wait(descriptor, select.POLLIN)
        if not in_foreground(descriptor):
            time.sleep(_TURN)  # somebody types to the shell; nothing tells of `fg`
            continue
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue
        except OSError as error:
            # Moved to the background between our look and our read, with SIGTTIN ignored. (The other EIO is a hang-up.)
            if error.errno != EIO or in_foreground(descriptor):
                return b""


def _write(descriptor: int, data: memoryview) -> int:
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            _wait(descriptor, select.POLLOUT)


def _wait(descriptor: int, event: int) -> None:
    poller = select.poll()
    poller.register(descriptor, event)
    poller.poll()
