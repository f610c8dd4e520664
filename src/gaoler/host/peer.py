"""Who is at the other end of an AF_UNIX socket, as the kernel had it when that was connected (SO_PEERCRED)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")  # struct ucred, the group last


class Peer(NamedTuple):
    pid: int
    uid: int


def peer(sock: socket.socket) -> Peer:
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)
