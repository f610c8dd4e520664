"""Open a command's streams to a machine's agent (docs/explanation/design.md, Sessions).

What comes back is raw: the answers of a machine are read by whoever asked, never here.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import Failed, Usage

PAYLOAD_MAX = 6 << 20
"""Bytes of a frame: whatever fits in a message to the daemon, with the names of its parts."""
_COOKIE = 32  # hex digits
_TERMINAL_STREAMS, _PLAIN_STREAMS = (0,), (0, 1, 2)


@dataclass(frozen=True)
class SessionRequest:
    """A command for the agent to run; no `arguments` asks for the user's shell."""

    cookie: str  # 32 hex digits that nobody can guess: they tie the streams to the command
    user: str = "root"
    arguments: tuple[str, ...] = ()
    login: bool = False
    directory: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    terminal: tuple[int, int] | None = None  # rows and columns
    umask: int = 0o22


@dataclass(frozen=True)
class SessionSockets:
    """Blocking sockets; `streams` is one with a terminal, else stdin, stdout and stderr."""

    control: socket.socket
    streams: tuple[socket.socket, ...]


def open_session(path: Path, request: SessionRequest, timeout: float = 5.0) -> SessionSockets:
    """Ask the agent behind the socket at `path` for a command, and join all of its streams.

    `timeout` is in seconds, for each connection: the machine accepts when it comes to it. Raises Usage for a request
    that fits in no frame and Failed where nobody takes it.
    """
    first = exec_frame(request)
    streams = _TERMINAL_STREAMS if request.terminal else _PLAIN_STREAMS
    with ExitStack() as undo:
        control = undo.enter_context(_connect(path, first, timeout))
        joined = [undo.enter_context(_connect(path, join_frame(request.cookie, n), timeout)) for n in streams]
        undo.pop_all()
    return SessionSockets(control, tuple(joined))


def exec_frame(request: SessionRequest) -> bytes:
    """The X frame."""
    rows, cols = request.terminal or (0, 0)
    words = [
        f"cookie={request.cookie}",
        f"user={request.user}",
        f"tty={int(request.terminal is not None)}",
        f"rows={rows}",
        f"cols={cols}",
        f"login={int(request.login)}",
    ]
    if request.directory is not None:
        words.append(f"cwd={request.directory}")
    if request.umask != 0o22:
        words.append(f"env=GAOL_UMASK={request.umask:o}")  # agents that run since before there was a key for it refuse keys
    words += [f"env={name}={value}" for name, value in request.environment]
    words += [f"arg={argument}" for argument in request.arguments]
    if any("\0" in word for word in words):
        raise Usage("can't run that", "a word of it holds a NUL character", "gaol exec --help")
    # What Python could not decode on the way in (file names in other encodings) leaves as the bytes that it was.
    return _frame(b"X", b"".join(word.encode(errors="surrogateescape") + b"\0" for word in words))


def join_frame(cookie: str, stream: int) -> bytes:
    """The J frame."""
    if len(cookie) != _COOKIE:
        raise Usage("can't join a command", f"its cookie is not {_COOKIE} hex digits", "gaol doctor")
    return _frame(b"J", cookie.encode() + bytes([stream]))


def _frame(kind: bytes, payload: bytes) -> bytes:
    if len(payload) > PAYLOAD_MAX:
        raise Usage(
            "can't run that",
            f"words and environment take {len(payload)} bytes, at most {PAYLOAD_MAX} fit",
            "gaol cp FILE NAME:PATH",
        )
    return kind + struct.pack("<I", len(payload)) + payload


def _connect(path: Path, first: bytes, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # Not settimeout: with a socket that does not block, connect fails at once where the queue is full.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", *_timeval(timeout)))
        connection.connect(str(path))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, 0))
        _send(connection, first, timeout)
    except (FileNotFoundError, ConnectionError) as error:
        connection.close()
        raise Failed("the machine's agent can't be reached", "the machine is not running", "gaol ls") from error
    except BlockingIOError as error:
        connection.close()
        raise Failed("the machine's agent does not answer", f"nothing came within {timeout:g} s", "gaol ls") from error
    except OSError as error:
        connection.close()
        raise Failed("the machine's agent can't be reached", error.strerror or str(error), "gaol ls") from error
    return connection


def _send(connection: socket.socket, data: bytes, timeout: float) -> None:
    """Within `timeout` seconds in all: a machine may take a little again and again. Raises BlockingIOError."""
    deadline, rest, room = time.monotonic() + timeout, memoryview(data), select.poll()
    room.register(connection, select.POLLOUT)
    while rest:
        left = deadline - time.monotonic()
        if left <= 0 or not room.poll(left * 1000):
            raise BlockingIOError
        with suppress(BlockingIOError):
            rest = rest[connection.send(rest, socket.MSG_DONTWAIT) :]


def _timeval(seconds: float) -> tuple[int, int]:
    return int(seconds), int(seconds % 1 * 1_000_000)
