"""Every frame that a machine may send: the one table that the guard's rules, their tests and the threat model are made from.

A `Frame` is a kind of Ethernet frame; a frame of the wire is permitted when all fields of one kind hold, and dropped
otherwise. What a field may be is a set of numbers, or one of the machine's `Own` things: its MAC, its addresses. Offsets
are in bits, as nftables counts them: from the Ethernet header (`ll`), the network header (`nh`), the transport header (`th`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import starmap


class Own(Enum):
    """What differs from machine to machine, in the words of the threat model."""

    MAC = "its MAC"
    IP4 = "its IPv4 address"
    IP6 = "its IPv6 address, or its link-local one"


@dataclass(frozen=True)
class Field:
    """`may` is what `bits` bits at `offset`, under `mask`, may be; with `but`, anything except these."""

    name: str
    base: str
    offset: int
    bits: int
    may: frozenset[int] | Own
    but: bool = False
    mask: int | None = None

    @property
    def words(self) -> str:
        """`operation: 1, 2`, for the threat model."""
        values = self.may.value if isinstance(self.may, Own) else ", ".join(map(self._shown, sorted(self.may)))
        return f"{self.name}: {'any but ' if self.but else ''}{values}"

    def _shown(self, value: int) -> str:
        if self.bits in (32, 128) and not value:
            return "none"
        if self.bits == 32:
            return ".".join(map(str, value.to_bytes(4)))
        if self.bits == 48:
            return f"{value.to_bytes(6).hex(':')} to 0f" if self.mask else value.to_bytes(6).hex(":")
        decimal = self.name.endswith(("port", "length", "offset", "protocol", "message")) or value < 10
        return str(value) if decimal or (self.bits == 8 and "version" not in self.name) else f"{value:#0{self.bits // 4 + 2}x}"


@dataclass(frozen=True)
class Frame:
    """A kind of frame; `rate` is how many a minute, where that is limited."""

    name: str
    fields: tuple[Field, ...]
    rate: int | None = None

    @property
    def own(self) -> tuple[Field, ...]:
        """The fields whose values are the machine's own."""
        return tuple(field for field in self.fields if isinstance(field.may, Own))

    @property
    def words(self) -> str:
        rate = f"; at most {self.rate} a minute" if self.rate else ""
        return "; ".join(field.words for field in self.fields) + rate


def _is(name: str, base: str, offset: int, bits: int, *may: int, mask: int | None = None) -> Field:
    return Field(name, base, offset, bits, frozenset(may), mask=mask)


def _but(name: str, base: str, offset: int, bits: int, *may: int) -> Field:
    return Field(name, base, offset, bits, frozenset(may), but=True)


def _own(name: str, base: str, offset: int, bits: int, own: Own) -> Field:
    return Field(name, base, offset, bits, own)


ANY_FRAME = (
    _own("source", "ll", 48, 48, Own.MAC),
    # 01:80:c2:00:00:00 to 0f are for the bridge itself: spanning tree, LLDP, 802.1X (IEEE 802.1Q, table 8-1).
    Field("destination", "ll", 0, 48, frozenset({0x0180C2000000}), but=True, mask=0xFFFFFFFFFFF0),
)
"""What holds for all of them."""

ARP, IP4, IP6 = 0x0806, 0x0800, 0x86DD

_ARP = (
    _is("type", "ll", 96, 16, ARP),
    _is("hardware type", "nh", 0, 16, 1),
    _is("protocol type", "nh", 16, 16, IP4),
    _is("address lengths", "nh", 32, 16, 0x0604),
    _own("sender's MAC", "nh", 64, 48, Own.MAC),
)
_IP4 = (_is("type", "ll", 96, 16, IP4), _is("version and words of header", "nh", 0, 8, 0x45))
FROM4 = _own("source address", "nh", 96, 32, Own.IP4)
_WHOLE4 = _is("fragment offset", "nh", 48, 16, 0, mask=0x1FFF)
_IP6 = (_is("type", "ll", 96, 16, IP6),)
FROM6 = _own("source address", "nh", 64, 128, Own.IP6)
_NOBODY6 = _is("source address", "nh", 64, 128, 0)

_ICMP, _IGMP, _TCP, _UDP, _ICMP6 = 1, 2, 6, 17, 58
_CARRIED = (_TCP, 4, 33, 41, 47, 50, 51, 132, 136)
"""Transports and tunnels: TCP, IPv4 and IPv6 in IP, DCCP, GRE, ESP, AH, SCTP, UDP-Lite. No OSPF, PIM, VRRP or EIGRP: a
machine isn't a router of the LAN."""
_FRAGMENT, _HOP_BY_HOP = 44, 0

# Ports that speak for the network: DHCP servers, and as destinations their clients, too, RIP, RIPng, HSRP, GLBP.
_SERVERS = (67, 547)
_NOT_TO = (67, 68, 546, 547, 520, 521, 1985, 2029, 3222)

_DHCP = (
    _is("protocol", "nh", 72, 8, _UDP),
    _is("more fragments and fragment offset", "nh", 48, 16, 0, mask=0x3FFF),  # options in a second piece would be seen by nobody
    _is("source port", "th", 0, 16, 68),
    _is("destination port", "th", 16, 16, 67),
    _is("operation", "th", 64, 8, 1),
    _is("hardware type and size", "th", 72, 16, 0x0106),
    _is("relay", "th", 256, 32, 0),  # whose answers would go elsewhere
    _own("client's MAC", "th", 288, 48, Own.MAC),
)
_CLIENT6 = (1, 3, 4, 5, 6, 8, 9, 11)  # solicit, request, confirm, renew, rebind, release, decline, information (RFC 8415, 7.3)

_ND = (_is("next header", "nh", 48, 8, _ICMP6), _is("hop limit", "nh", 56, 8, 255))


def _nd(kind: int, length: int, *more: Field) -> tuple[Field, ...]:
    """A message of neighbour discovery (RFC 4861), with room for one option or none."""
    return (*_ND, _is("length", "nh", 32, 16, length), _is("ICMPv6 type", "th", 0, 8, kind), *more)


def _option(at: int, kind: int) -> tuple[Field, ...]:
    """A link-layer address of its own, `at` bytes into the message."""
    return (_is("option", "th", 8 * at, 16, kind << 8 | 1), _own("option's MAC", "th", 8 * at + 16, 48, Own.MAC))


_TARGET = _own("target", "th", 64, 128, Own.IP6)
_NONCE = _is("option", "th", 192, 16, 0x0E01)  # RFC 7527

FRAMES = (
    Frame("ARP", (*_ARP, _is("operation", "nh", 48, 16, 1, 2), _own("sender's address", "nh", 112, 32, Own.IP4))),
    Frame(
        "ARP probe",  # whether its own address is free (RFC 5227)
        (
            *_ARP,
            _is("operation", "nh", 48, 16, 1),
            _is("sender's address", "nh", 112, 32, 0),
            _own("target's address", "nh", 192, 32, Own.IP4),
        ),
    ),
    Frame(
        "DHCP from nobody yet",
        (
            *_IP4,
            _is("source address", "nh", 96, 32, 0),
            _is("destination address", "nh", 128, 32, 0xFFFFFFFF),
            *_DHCP,
            _is("client's address", "th", 160, 32, 0),
        ),
        # Servers tell clients apart by an option as well, which `dhcp_clients` looks at.
        # An honest one asks twice, and again every few seconds while nobody answers.
        rate=20,
    ),
    Frame("DHCP renewal", (*_IP4, FROM4, *_DHCP, _own("client's address", "th", 160, 32, Own.IP4)), rate=20),
    Frame(
        "UDP",
        (
            *_IP4,
            FROM4,
            _is("protocol", "nh", 72, 8, _UDP),
            _WHOLE4,
            _but("source port", "th", 0, 16, *_SERVERS),
            _but("destination port", "th", 16, 16, *_NOT_TO),
        ),
    ),
    Frame(
        "ICMP: echo, unreachable, time exceeded, parameter, timestamp",
        (*_IP4, FROM4, _is("protocol", "nh", 72, 8, _ICMP), _WHOLE4, _is("ICMP type", "th", 0, 8, 0, 3, 8, 11, 12, 13, 14)),
    ),
    Frame("TCP, tunnels and other transports", (*_IP4, FROM4, _is("protocol", "nh", 72, 8, *_CARRIED))),
    Frame(
        "further fragments",
        (
            *_IP4,
            FROM4,
            _is("protocol", "nh", 72, 8, _ICMP, _UDP),
            Field("fragment offset", "nh", 48, 16, frozenset({0}), but=True, mask=0x1FFF),
        ),
    ),
    Frame(
        "IGMP: reports and leaving, no queries",
        (
            _IP4[0],
            _is("version and words of header", "nh", 0, 8, 0x45, 0x46),  # with the option Router Alert
            FROM4,
            _is("protocol", "nh", 72, 8, _IGMP),
            _WHOLE4,
            _is("IGMP type", "th", 0, 8, 0x12, 0x16, 0x17, 0x22),
        ),
    ),
    Frame("neighbour solicitation", (*_IP6, FROM6, *_nd(135, 24))),
    Frame("neighbour solicitation with its MAC", (*_IP6, FROM6, *_nd(135, 32, *_option(24, 1)))),
    Frame("duplicate address detection", (*_IP6, _NOBODY6, *_nd(135, 24, _TARGET))),
    Frame("duplicate address detection with a nonce", (*_IP6, _NOBODY6, *_nd(135, 32, _TARGET, _NONCE))),
    Frame("neighbour advertisement", (*_IP6, FROM6, *_nd(136, 24, _TARGET))),
    Frame("neighbour advertisement with its MAC", (*_IP6, FROM6, *_nd(136, 32, _TARGET, *_option(24, 2)))),
    Frame("router solicitation", (*_IP6, FROM6, *_nd(133, 8))),
    Frame("router solicitation from nobody yet", (*_IP6, _NOBODY6, *_nd(133, 8))),
    Frame("router solicitation with its MAC", (*_IP6, FROM6, *_nd(133, 16, *_option(8, 1)))),
    Frame(
        "ICMPv6: errors and echo",
        (*_IP6, FROM6, _is("next header", "nh", 48, 8, _ICMP6), _is("ICMPv6 type", "th", 0, 8, 1, 2, 3, 4, 128, 129)),
    ),
    *starmap(
        lambda name, source: Frame(
            name,
            (
                *_IP6,
                source,
                _is("next header", "nh", 48, 8, _HOP_BY_HOP),
                _is("option's header", "nh", 320, 64, 0x3A00_0502_0000_0100),  # Router Alert and padding, then ICMPv6
                _is("ICMPv6 type", "th", 0, 8, 131, 132, 143),
            ),
        ),
        (("multicast listener reports", FROM6), ("multicast listener reports from nobody yet", _NOBODY6)),
    ),
    Frame(
        "DHCPv6",
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _UDP),
            _is("source port", "th", 0, 16, 546),
            _is("destination port", "th", 16, 16, 547),
            _is("message", "th", 64, 8, *_CLIENT6),
        ),
        rate=20,
    ),
    Frame(
        "UDP",
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _UDP),
            _but("source port", "th", 0, 16, *_SERVERS),
            _but("destination port", "th", 16, 16, *_NOT_TO),
        ),
    ),
    Frame("TCP, tunnels and other transports", (*_IP6, FROM6, _is("next header", "nh", 48, 8, *_CARRIED))),
    Frame(
        "first fragment of UDP",
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _FRAGMENT),
            _is("fragment's header", "nh", 320, 8, _UDP),
            _is("fragment offset", "nh", 336, 16, 0, mask=0xFFF8),
            _but("source port", "th", 0, 16, *_SERVERS),
            _but("destination port", "th", 16, 16, *_NOT_TO),
        ),
    ),
    Frame(
        "first fragment of an echo",  # neighbour discovery is never in fragments (RFC 6980)
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _FRAGMENT),
            _is("fragment's header", "nh", 320, 8, _ICMP6),
            _is("fragment offset", "nh", 336, 16, 0, mask=0xFFF8),
            _is("ICMPv6 type", "th", 0, 8, 128, 129),
        ),
    ),
    Frame(
        "fragments of other transports",
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _FRAGMENT),
            _is("fragment's header", "nh", 320, 8, *_CARRIED),
        ),
    ),
    Frame(
        "further fragments",
        (
            *_IP6,
            FROM6,
            _is("next header", "nh", 48, 8, _FRAGMENT),
            _is("fragment's header", "nh", 320, 8, _UDP, _ICMP6),
            Field("fragment offset", "nh", 336, 16, frozenset({0}), but=True, mask=0xFFF8),
        ),
    ),
)


def table() -> str:
    """The table in Markdown, as docs/explanation/threat-model.md shows it."""
    every = "; ".join(field.words for field in ANY_FRAME)
    rows = [f"| *all* | {every} |"]
    for frame in FRAMES:
        family = {ARP: "", IP4: "IPv4, ", IP6: "IPv6, "}[_type_of(frame)]
        rows.append(f"| {family}{frame.name} | {frame.words} |")
    return "\n".join(["| frame | its fields |", "| --- | --- |", *rows, ""])


def _type_of(frame: Frame) -> int:
    (may,) = (field.may for field in frame.fields if (field.base, field.offset) == ("ll", 96))
    assert not isinstance(may, Own)
    return next(iter(may))
