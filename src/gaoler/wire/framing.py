"""Varlink framing over AF_UNIX: JSON objects, each ended by a NUL byte; descriptors ride along.

https://varlink.org/Method-Call: a call has `method`, `parameters` and perhaps `more`; a reply has `parameters` and
perhaps `continues` or `error`. Everything that arrives is hostile: it is bounded here and typed one layer up.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

MESSAGE_LIMIT = 256 * 1024
"""Bytes in one message; a command line and its environment are the largest things that anyone sends."""
DEPTH_LIMIT = 16
"""Nested objects and arrays in one message."""
DESCRIPTOR_LIMIT = 8
"""Descriptors that may come with one message."""


class ProtocolError(Exception):
    """The other side does not speak our protocol; the connection is of no more use."""


class Closed(ProtocolError):
    """The other side has gone."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ProtocolError("a key stands twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise ProtocolError(f"{name} is not JSON")


def _shallow(data: bytes) -> bool:
    """Whether brackets nest no deeper than the limit (those in strings count too: they are few in honest messages)."""
    depth = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                return False
        elif byte in b"]}":
            depth -= 1
    return True


def decode(data: bytes) -> dict[str, Any]:
    """One message without its NUL. Raises ProtocolError for whatever is not one JSON object within the bounds."""
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT and not _shallow(data):
        raise ProtocolError(f"nested deeper than {DEPTH_LIMIT}")
    try:
        message = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except ValueError as error:  # bad UTF-8 and bad JSON alike
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("not an object")
    return message


def encode(message: dict[str, Any]) -> bytes:
    """One message with its NUL."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\0"


class Connection:
    """One end of a conversation. Not thread-safe: a connection has one reader and one writer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Send one message; the descriptors are duplicated to the other side. Raises Closed when nobody is there."""
        data = encode(message)
        try:
            if descriptors:
                sent = socket.send_fds(self.sock, [data], descriptors)
                data = data[sent:]
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed("the other side closed the connection") from None

    def receive(self) -> dict[str, Any]:
        """The next message. Raises Closed at the end of the stream, ProtocolError, or TimeoutError."""
        searched = 0
        while True:
            end = self._buffer.find(b"\0", searched)
            if end >= 0:
                data = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return decode(data)
            searched = len(self._buffer)
            if searched > MESSAGE_LIMIT:
                raise ProtocolError(f"a message of more than {MESSAGE_LIMIT} bytes")
            self._fill()

    def _fill(self) -> None:
        try:
            data, descriptors, flags, _ = socket.recv_fds(self.sock, 65536, DESCRIPTOR_LIMIT, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            raise Closed("the other side closed the connection") from None
        self._descriptors += descriptors
        if flags & socket.MSG_CTRUNC or len(self._descriptors) > DESCRIPTOR_LIMIT:
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
