"""Messages with descriptors between the parts of `gaoler-web`: one JSON object a datagram, over SOCK_SEQPACKET."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

LIMIT = 128 * 1024
"""Bytes of one message: answers to PAM and notes about what is kept, so far more than any needs."""
DESCRIPTORS = 8


class Gone(Exception):
    """The other end is closed, or sends something else than a message."""


class Channel:
    """One end. Closing it is how each side tells the other that it is over."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def of(cls, descriptor: int) -> Channel:
        return cls(socket.socket(fileno=descriptor))

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Raises Gone."""
        try:
            socket.send_fds(self.sock, [json.dumps(message).encode()], descriptors, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message; its descriptors are the caller's to close. Raises Gone."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self.sock, LIMIT, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise Gone(str(error)) from None
        try:
            message = None if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else json.loads(data)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            close(descriptors)
            raise Gone("not a message")
        return message, descriptors

    def close(self) -> None:
        self.sock.close()

    def fileno(self) -> int:
        return self.sock.fileno()


def close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
