"""Checksums that a machine leaves to the host are written where checksums are.

Beside each frame a TAP's reader takes a header (virtio_net_hdr) that may say: sum up from here, and write the sum there. The host
does so when the frame leaves by an interface that can't, after all rules have looked at it: onto the sender's address, for
instance. Programs of the kernel can't see where. But one that asks for a frame to be made shorter is refused where that would
cut off the place of the sum; and a checksum that is still to be made is not changed by who replaces a part of it.
"""

from __future__ import annotations

import os

from gaoler.host.net import bpf, links
from gaoler.host.net.bpf import (
    CHANGE_TAIL,
    FP,
    LOAD_BYTES,
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    REPLACE_CHECKSUM,
    STORE_BYTES,
    Program,
)

_TYPE = 12
"""Of the Ethernet frame; used as the checksum that something is replaced in."""
_PLACES = (("IPv4", 0x0800, 23, 34, (1, 2)), ("IPv6", 0x86DD, 20, 54, (0, 44, 58)))
"""Type, where the transport is told, where it begins (the guard lets it begin nowhere else), and whose messages nobody leaves to
a device: ICMP, IGMP, hop-by-hop options, fragments, ICMPv6, of which the guard looks at more than addresses and ports.
"""
_UDP_SUM_ENDS = 8
"""Bytes into UDP's header; TCP's sum lies further on, and what a tunnel carries behind its header."""


def hold(interface: str) -> None:
    """Look at all that comes from an interface. Raises OSError, Failed."""
    loaded = bpf.load(program(), "gaoler_sums")
    try:
        links.classify(interface, loaded, "gaoler_sums")
    finally:
        os.close(loaded)


def program() -> bytes:
    """The instructions, by themselves."""
    it = Program()
    it.copy(R6, R1)
    _look(it, _TYPE, 2, -8)
    keep_sums_off_headers(it, -8, -16)
    it.set(R0, 0)  # TC_ACT_OK
    it.leave()
    it.label("drop")
    it.set(R0, 2)  # TC_ACT_SHOT
    it.leave()
    return it.assembled()


def keep_sums_off_headers(it: Program, type_there: int, scratch: int) -> None:
    """Drop frames whose sum would be written before that of UDP or TCP. `type_there` and `scratch` are places on the stack."""
    it.copy(R1, R6)
    it.set(R2, _TYPE)
    it.set(R3, 0)
    it.set(R4, 1)
    it.set(R5, 2)  # a sum of two bytes
    it.call(REPLACE_CHECKSUM)
    it.jump_unless(R0, 0, "drop")
    _look(it, _TYPE, 2, scratch)
    it.load(R0, 2, FP, scratch)
    it.load(R1, 2, FP, type_there)
    it.jump_unless_same(R0, R1, "summed")
    for name, kind, protocol, transport, own in _PLACES:
        it.big_endian(R1, 16)
        it.jump_unless(R1, kind, f"not {name}")
        _look(it, protocol, 1, scratch)
        it.load(R0, 1, FP, scratch)
        for message in own:
            it.jump_if(R0, message, "drop")
        it.copy(R1, R6)
        it.set(R2, transport + _UDP_SUM_ENDS - 1)
        it.set(R3, 0)
        it.call(CHANGE_TAIL)
        it.jump_if(R0, 0, "drop")  # it was cut, so the sum's place is before
        it.jump("sums")
        it.label(f"not {name}")
        it.load(R1, 2, FP, type_there)
    it.jump("drop")
    it.label("summed")
    it.copy(R1, R6)
    it.set(R2, _TYPE)
    it.copy(R3, FP)
    it.add(R3, type_there)
    it.set(R4, 2)
    it.set(R5, 0)
    it.call(STORE_BYTES)
    it.jump_unless(R0, 0, "drop")
    it.label("sums")


def _look(it: Program, place: int, size: int, to: int) -> None:
    it.copy(R1, R6)
    it.set(R2, place)
    it.copy(R3, FP)
    it.add(R3, to)
    it.set(R4, size)
    it.call(LOAD_BYTES)
    it.jump_unless(R0, 0, "drop")
