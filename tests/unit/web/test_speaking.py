"""How a command inside ended, as the agent tells it (docs/explanation/design.md, Sessions)."""

from __future__ import annotations

import socket
import struct

import pytest

from gaoler.client.session import FRAME
from gaoler.web.speaking import Inside
from unit.web.running import run


def frame(kind: bytes, payload: bytes) -> bytes:
    return FRAME.pack(kind, len(payload)) + payload


@pytest.mark.parametrize(
    ("sent", "code", "complaint", "killed"),
    [
        (frame(b"E", b"\x00\x07"), 7, "", ""),
        (frame(b"E", b"\x01\x09"), 137, "", ""),
        (frame(b"E", b"\x01\x09python3 was killed inside: out of memory"), 137, "", "python3 was killed inside: out of memory"),
        (frame(b"E", b"\x00\x00\x1b]0;evil\x07"), 0, "", "\N{REPLACEMENT CHARACTER}]0;evil\N{REPLACEMENT CHARACTER}"),
        (frame(b"Z", b"what?") + frame(b"F", b"\x7fno such command"), 127, "no such command", ""),
        (b"", 125, "the machine ended before the command did", ""),
        (frame(b"E", b"\x00\x07")[:-1], 125, "the machine ended before the command did", ""),
        (struct.pack("<cI", b"E", 1 << 31), 125, "the machine ended before the command did", ""),
    ],
)
def test_an_end_is_told(sent, code, complaint, killed):
    async def ended() -> tuple[int, str, str]:
        ours, machines = socket.socketpair()
        stream, _other = socket.socketpair()
        inside = Inside([ours.detach(), stream.detach()], 1)
        with machines:
            machines.sendall(sent)
            machines.shutdown(socket.SHUT_WR)
            try:
                return await inside.ended(), inside.complaint, inside.killed
            finally:
                inside.close()

    assert run(ended()) == (code, complaint, killed)
