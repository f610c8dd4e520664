"""Varlink framing over AF_UNIX: JSON objects, each ended by a NUL byte; descriptors ride along.

https://varlink.org/Method-Call: a call has `method`, `parameters` and perhaps `more`; a reply has `parameters` and
perhaps `continues` or `error`. Everything that arrives is hostile: it is bounded here and typed one layer up.
"""

from __future__ import annotations

import os
import struct
import time
from _socket import CMSG_LEN, MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_RIGHTS, SOL_SOCKET, socket

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The command line must send its request before anything else: `socket` and `json`, which take 7 ms each to import
# (enum, re), are not needed for that. json comes while the daemon works.

MESSAGE_LIMIT = 4 << 20
"""Bytes in one message to the daemon. A command line is the largest thing that anyone sends: execve(2) takes 2 MiB of it, and
JSON makes two of a quote or a line's end."""
LARGE = 256 * 1024
"""Bytes from which a message is large: a daemon reads few of those at a time for one user."""
REPLY_LIMIT = 64 << 20
"""Bytes that the daemon, which is trusted, may answer: the list of thousands of machines."""
DEPTH_LIMIT = 16
"""Nested objects and arrays in one message."""
DESCRIPTOR_LIMIT = 8
"""Descriptors that may come with one message."""
_INT = struct.Struct("i")


class ProtocolError(Exception):
    """The other side does not speak our protocol; the connection is of no more use."""


class Closed(ProtocolError):
    """The other side has gone."""


class TooLong(ProtocolError):
    """The other side would not take that message, and has not been sent it."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ProtocolError("a key stands twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise ProtocolError(f"{name} is not JSON")


def _shallow(data: bytes) -> bool:
    """Whether brackets nest no deeper than the limit. Those in strings are text: a console's log is full of them."""
    import re  # noqa: PLC0415

    depth = 0
    # A string without an end takes the rest, so that no text makes this look twice at a byte; and nothing is given back
    # (possessive), or re would keep a note of every byte.
    for token in re.finditer(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', data, re.DOTALL):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth > DEPTH_LIMIT:
                return False
        elif token[0] in (b"}", b"]"):
            depth -= 1
    return True


def decode(data: bytes) -> dict[str, Any]:
    """One message without its NUL. Raises ProtocolError for whatever is not one JSON object within the bounds."""
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT and not _shallow(data):
        raise ProtocolError(f"nested deeper than {DEPTH_LIMIT}")
    import json  # noqa: PLC0415

    try:
        message = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except ValueError as error:  # bad UTF-8 and bad JSON alike
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("not an object")
    return message


def encode(message: dict[str, Any]) -> bytes:
    """One message with its NUL."""
    text = _plain(message)
    if text is None:
        import json  # noqa: PLC0415

        try:
            return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\0"
        except UnicodeEncodeError:  # bytes of other encodings, in a command line or a name: JSON has escapes for them
            text = json.dumps(message, separators=(",", ":"))
    return text.encode() + b"\0"


def _plain(value: object) -> str | None:
    """JSON of strings that need no escapes, whole numbers, booleans, None, lists and objects of these; None for others."""
    if isinstance(value, str):
        return f'"{value}"' if value.isascii() and value.isprintable() and not ('"' in value or "\\" in value) else None
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        parts = [_plain(one) for one in value]
        return None if None in parts else f"[{','.join(filter(None, parts))}]"
    if isinstance(value, dict):
        parts = [_plain(one) for pair in value.items() for one in pair]
        if None not in parts and all(isinstance(key, str) for key in value):
            keys_and_values = zip(parts[::2], parts[1::2], strict=True)
            return f"{{{','.join(f'{key}:{one}' for key, one in keys_and_values)}}}"
    return None


class Connection:
    """One end of a conversation. Not thread-safe: a connection has one reader and one writer."""

    def __init__(self, sock: socket, limit: int = MESSAGE_LIMIT) -> None:
        self.sock = sock
        self.large: Callable[[], None] | None = None
        """Called before more than LARGE bytes of a message are taken; it may raise."""
        self._limit = limit
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def send(self, message: dict[str, Any], descriptors: tuple[int, ...] = (), limit: int | None = None) -> None:
        """Send one message; the descriptors are duplicated to the other side.

        Raises Closed when nobody is there, TooLong for a message of more bytes than the other side takes, its `limit`.
        """
        data = encode(message)
        if limit is not None and len(data) > limit:
            raise TooLong(f"a message of {len(data)} bytes")
        try:
            if descriptors:
                rights = struct.pack(f"{len(descriptors)}i", *descriptors)
                sent = self.sock.sendmsg([data], [(SOL_SOCKET, SCM_RIGHTS, rights)])
                data = data[sent:]
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed("the other side closed the connection") from None

    def receive(self, patience: float | None = None) -> dict[str, Any]:
        """The next message. Raises Closed at the end of the stream, ProtocolError, or TimeoutError.

        `patience` is seconds for the whole of it, however many pieces it comes in; None waits for ever.
        """
        import json  # noqa: F401, PLC0415 - now rather than when there is something to decode

        deadline = None if patience is None else time.monotonic() + patience
        searched = 0
        while True:
            end = self._buffer.find(b"\0", searched)
            if end >= 0:
                data = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if patience is not None:
                    self.sock.settimeout(patience)  # for the answer
                return decode(data)
            searched = len(self._buffer)
            if searched > LARGE and self.large:
                self.large()
            if searched > self._limit:
                raise ProtocolError(f"a message of more than {self._limit} bytes")
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("a message that takes too long")
                self.sock.settimeout(left)
            self._fill()

    def _fill(self) -> None:
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(65536, CMSG_LEN(DESCRIPTOR_LIMIT * _INT.size), MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            raise Closed("the other side closed the connection") from None
        for level, kind, rights in ancillary:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                whole = len(rights) // _INT.size * _INT.size  # a cut message may end within a number
                self._descriptors += (number for (number,) in _INT.iter_unpack(rights[:whole]))
        if flags & MSG_CTRUNC or len(self._descriptors) > DESCRIPTOR_LIMIT:
            raise ProtocolError("too many descriptors")
        if not data:
            raise Closed("the other side closed the connection")
        self._buffer += data

    def take_descriptors(self) -> list[int]:
        """The descriptors that came so far; they are the caller's to close now."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def close(self) -> None:
        for descriptor in self.take_descriptors():
            os.close(descriptor)
        self.sock.close()
