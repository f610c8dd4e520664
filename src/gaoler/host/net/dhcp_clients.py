"""Who a machine says it is to DHCP servers: itself.

Servers tell clients apart by an option (client identifier, RFC 2132 section 9.14; DUID, RFC 8415) that stands anywhere among
others, where no rule of nftables can look. With somebody else's, a machine would take or give back that station's address; with
many of its own, the whole pool. A program at the machine's port goes through the options of what goes to a server:

- an identifier is the machine's MAC, or a DUID made of that (LLT or LL, RFC 8415 sections 11.2 and 11.4; in IPv4 behind the 255
  and the number of RFC 4361), and there is one;
- of all that a server may tell leases apart by (identifiers, and numbers of identity associations) there are eight at most, as
  long as the port is there;
- no option says that others are elsewhere in the message (52), or is a relay's (82); a message is one frame, and none that the
  kernel would cut into several.

An identifier that follows from a machine-id or is made up (DUID-EN, DUID-UUID, a name) can't be told from a stolen one, and is
dropped. Which frame is a request at all, and everything at a fixed place in it, is the table's (`frames`).
"""

from __future__ import annotations

import os
from contextlib import suppress

from gaoler.host.net import bpf, links
from gaoler.host.net.bpf import FP, LOAD_BYTES, MAP_LOOKUP, MAP_UPDATE, R0, R1, R2, R3, R4, R6, R7, R8, R9, Program
from gaoler.host.net.checksums import keep_sums_off_headers

_PORTS, _IDENTITIES = 1 << 16, 8
_OPTIONS = {"4": 64, "6": 32}
"""Options in a message at most, padding included; a client sends a dozen."""
_PASS, _DROP = 0, 2  # TC_ACT_OK, TC_ACT_SHOT
_LENGTH, _INTERFACE, _SEGMENT = 0, 40, 176  # of struct __sk_buff: len, ifindex, gso_size
_SEEN = 0x1000
"""Above the count of options: an identifier has been seen."""

# The stack: what is looked at, a key of the map (a kind, and up to 20 bytes), the MAC that sends, and its port.
_LOOK, _MORE, _KEY, _KEY_SIZE, _SENDER, _PORT = -8, -16, -40, 24, -48, -56

# Places in a frame.
_SOURCE, _TYPE, _CUT4, _PORT4, _COOKIE4, _OPTIONS4 = 6, 12, 20, 36, 278, 282
_NEXT6, _PORT6, _OPTIONS6 = 20, 56, 66


class Clients:
    """The program of one daemon, which is verified once: that takes a good part of a second. Ports that it holds keep it."""

    def __init__(self) -> None:
        """Raises OSError on a kernel without such programs."""
        like = bpf.hash_map(_KEY_SIZE, 1, _IDENTITIES)
        try:
            self._ports = bpf.map_of_maps(_PORTS, like)
        finally:
            os.close(like)
        self._numbers: dict[str, int] = {}
        try:
            self._program = bpf.load(program(self._ports), "gaoler_dhcp")
        except BaseException:
            os.close(self._ports)
            raise

    def hold(self, port: str) -> None:
        """Have a port's machine be itself to DHCP servers, with nothing said before. Raises OSError, Failed."""
        number = links.number(port)
        identities = bpf.hash_map(_KEY_SIZE, 1, _IDENTITIES)
        try:
            bpf.put(self._ports, number, identities)
        finally:
            os.close(identities)
        self._numbers[port] = number
        links.classify(port, self._program, "gaoler_dhcp")

    def forget(self, port: str) -> None:
        """It goes, and its number will be nobody's again."""
        number = self._numbers.pop(port, None)
        if number is not None:
            with suppress(OSError):
                bpf.take(self._ports, number)

    def close(self) -> None:
        os.close(self._program)
        os.close(self._ports)


def program(ports: int) -> bytes:
    """The instructions. R6 is the frame, R7 where in it we are, R8 counts options.

    A machine's MAC is that which the frame comes from: with another one the table of frames drops it.
    """
    it = Program()
    it.copy(R6, R1)
    _read(it, _TYPE, 2, "pass")
    keep_sums_off_headers(it, _LOOK, _MORE)
    it.load(R0, 2, FP, _LOOK)
    it.big_endian(R0, 16)
    it.jump_if(R0, 0x0800, "IPv4")
    it.jump_if(R0, 0x86DD, "IPv6")
    it.label("pass")
    it.set(R0, _PASS)
    it.leave()
    it.label("drop")
    it.set(R0, _DROP)
    it.leave()
    _ipv4(it)
    _ipv6(it)
    for family in ("4", "6"):  # the key is on the stack
        it.label(f"note{family}")
        it.load(R0, 4, R6, _INTERFACE)
        it.store_register(4, FP, _PORT, R0)
        it.map(R1, ports)
        it.copy(R2, FP)
        it.add(R2, _PORT)
        it.call(MAP_LOOKUP)
        it.jump_if_null(R0, "drop")
        it.copy(R1, R0)
        it.copy(R2, FP)
        it.add(R2, _KEY)
        it.copy(R3, FP)
        it.add(R3, _LOOK)
        it.set(R4, 0)  # BPF_ANY; of a new one there may be no room
        it.call(MAP_UPDATE)
        it.jump_unless(R0, 0, "drop")
        it.jump(f"further{family}")
    return it.assembled()


def _ipv4(it: Program) -> None:
    it.label("IPv4")
    _read(it, _CUT4, 4, "pass")  # flags and offset, time to live, protocol
    it.load(R0, 1, FP, _LOOK + 3)
    it.jump_unless(R0, 17, "pass")
    it.load(R0, 2, FP, _LOOK)
    it.big_endian(R0, 16)
    it.mask(R0, 0x1FFF)
    it.jump_unless(R0, 0, "pass")  # a further fragment, where no port is
    _to_server(it, _PORT4, 67)
    _read(it, _COOKIE4, 4, "pass")
    it.load(R0, 4, FP, _LOOK)
    it.big_endian(R0, 32)
    it.jump_unless(R0, 0x63825363, "pass")  # without options
    it.set(R7, _OPTIONS4)
    it.set(R8, 0)
    _loop(it, "4")
    _read(it, R7, 1, "pass")
    it.load(R0, 1, FP, _LOOK)
    it.jump_if(R0, 255, "pass")
    it.add(R7, 1)
    it.jump_if(R0, 0, "option4")
    it.jump_if(R0, 52, "drop")
    it.jump_if(R0, 82, "drop")
    _read(it, R7, 1, "drop", _MORE)
    it.add(R7, 1)
    it.load(R9, 1, FP, _MORE)
    it.load(R0, 1, FP, _LOOK)
    it.jump_unless(R0, 61, "further4")
    _one(it)
    _clear(it, 61)
    it.jump_if(R9, 7, "MAC4")
    it.jump_if(R9, 15, "LL4")
    it.jump_if(R9, 19, "LLT4")
    it.jump("drop")
    for label, kind, size, duid, at in (("MAC4", 1, 7, 0, 1), ("LL4", 255, 15, 0x30001, 9), ("LLT4", 255, 19, 0x10001, 13)):
        it.label(label)
        _read(it, R7, size, "drop", _KEY + 4)
        it.load(R0, 1, FP, _KEY + 4)
        it.jump_unless(R0, kind, "drop")
        if duid:
            _expect(it, 5, duid)
        _expect_sender(it, at)
        it.jump("note4")
    it.label("further4")
    it.add_register(R7, R9)
    it.jump("option4")


def _ipv6(it: Program) -> None:
    it.label("IPv6")
    _read(it, _NEXT6, 1, "pass")
    it.load(R0, 1, FP, _LOOK)
    it.jump_unless(R0, 17, "pass")
    _to_server(it, _PORT6, 547)
    it.set(R7, _OPTIONS6)
    it.set(R8, 0)
    _loop(it, "6")
    _read(it, R7, 4, "pass")
    it.add(R7, 4)
    it.load(R9, 2, FP, _LOOK + 2)
    it.big_endian(R9, 16)
    it.load(R0, 2, FP, _LOOK)
    it.big_endian(R0, 16)
    it.jump_if(R0, 1, "client6")
    for code in (3, 4, 25):  # identity associations: of an address, of a temporary one, of a prefix
        it.jump_if(R0, code, f"association{code}")
    it.jump("further6")
    for code in (3, 4, 25):
        it.label(f"association{code}")
        _clear(it, code)
        _read(it, R7, 4, "drop", _KEY + 4)
        it.jump("note6")
    it.label("client6")
    _one(it)
    _clear(it, 1)
    it.jump_if(R9, 10, "LL6")
    it.jump_if(R9, 14, "LLT6")
    it.jump("drop")
    for label, size, duid, at in (("LL6", 10, 0x30001, 4), ("LLT6", 14, 0x10001, 8)):
        it.label(label)
        _read(it, R7, size, "drop", _KEY + 4)
        _expect(it, 0, duid)
        _expect_sender(it, at)
        it.jump("note6")
    it.label("further6")
    it.add_register(R7, R9)
    it.jump("option6")


def _read(it: Program, place: int, size: int, beyond: str, to: int = _LOOK, ahead: int = 0) -> None:
    """Bytes of the frame onto the stack; `place` is a number, or R7 for where it says. Jumps where the frame ends before."""
    it.copy(R1, R6)
    if place == R7:
        it.copy(R2, R7)
        if ahead:
            it.add(R2, ahead)
    else:
        it.set(R2, place)
    it.copy(R3, FP)
    it.add(R3, to)
    it.set(R4, size)
    it.call(LOAD_BYTES)
    it.jump_unless(R0, 0, beyond)


def _expect(it: Program, ahead: int, wanted: int) -> None:
    """Drop the frame unless the four bytes `ahead` of where we are say this."""
    _read(it, R7, 4, "drop", _MORE, ahead)
    it.load(R0, 4, FP, _MORE)
    it.big_endian(R0, 32)
    it.jump_unless(R0, wanted, "drop")


def _expect_sender(it: Program, ahead: int) -> None:
    """Drop the frame unless the six bytes `ahead` of where we are say whom it comes from."""
    _read(it, R7, 6, "drop", _MORE, ahead)
    for at, width in ((0, 4), (4, 2)):
        it.load(R0, width, FP, _MORE + at)
        it.load(R1, width, FP, _SENDER + at)
        it.jump_unless_same(R0, R1, "drop")


def _to_server(it: Program, place: int, port: int) -> None:
    _read(it, place, 2, "pass")
    it.load(R0, 2, FP, _LOOK)
    it.big_endian(R0, 16)
    it.jump_unless(R0, port, "pass")
    it.load(R0, 4, R6, _SEGMENT)
    it.jump_unless(R0, 0, "drop")
    _read(it, _SOURCE, 6, "drop", _SENDER)


def _loop(it: Program, family: str) -> None:
    """Where each option begins. The verifier follows each way through the options: it must not know where in the frame we are."""
    it.label(f"option{family}")
    it.load(R0, 4, R6, _LENGTH)
    it.exclusive_or(R7, R0)
    it.exclusive_or(R7, R0)
    it.add(R8, 1)
    it.copy(R0, R8)
    it.mask(R0, _SEEN - 1)
    it.jump_above(R0, _OPTIONS[family], "drop")


def _one(it: Program) -> None:
    it.jump_above(R8, _SEEN - 1, "drop")
    it.add(R8, _SEEN)


def _clear(it: Program, kind: int) -> None:
    for at in range(0, _KEY_SIZE, 8):
        it.store(8, FP, _KEY + at, 0)
    it.store(2, FP, _KEY, kind)
