"""A network for a browser, in which nothing ever changes.

Whenever an address of the host comes or goes, as with every gateway and machine of the tests beside, Chromium drops what it is
about to ask (ERR_NETWORK_CHANGED). So it runs in a namespace of its own, and reaches everything by a proxy (SOCKS5, RFC 1928)
that listens there and connects from here.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from system.support.namespaces import Namespace, namespace
from system.support.waiting import PATIENCE

PORT = 1080
ARGUMENTS = [f"--proxy-server=socks5://127.0.0.1:{PORT}", "--proxy-bypass-list=<-loopback>"]
"""For Chromium."""


@contextmanager
def quiet_network() -> Iterator[Namespace]:
    with namespace(f"browser-{os.getpid()}") as made, made.listening("127.0.0.1", PORT) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            asking, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(asking,), daemon=True).start()


def _answer(asking: socket.socket) -> None:
    with asking, suppress(OSError, EOFError):
        _receive(asking, _receive(asking, 2)[1])  # how one may log in
        asking.sendall(b"\x05\x00")
        kind = _receive(asking, 4)[3]
        if kind == 3:
            host = _receive(asking, _receive(asking, 1)[0]).decode()
        else:
            host = socket.inet_ntop(
                *((socket.AF_INET, _receive(asking, 4)) if kind == 1 else (socket.AF_INET6, _receive(asking, 16)))
            )
        (port,) = struct.unpack(">H", _receive(asking, 2))
        try:
            answering = socket.create_connection((host, port), timeout=PATIENCE)
        except OSError:
            asking.sendall(b"\x05\x05\x00\x01" + bytes(6))
            return
        with answering:
            answering.settimeout(None)
            asking.sendall(b"\x05\x00\x00\x01" + bytes(6))
            _carry(asking, answering)


def _receive(sock: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = sock.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Until either ends."""
    while True:
        for sock in select.select([one, other], [], [])[0]:
            data = sock.recv(1 << 16)
            if not data:
                return
            (other if sock is one else one).sendall(data)
