"""Ethernet frames as a machine may send them, and as it may not."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from gaoler.host.net.frames import ANY_FRAME, FRAMES, IP4, IP6, Field, Frame, Own
from gaoler.host.net.guard_rules import interface_identifier, own_ip6

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source: int, to: int, payload: bytes = b"") -> bytes:
    return struct.pack(">4H", source, to, 8 + len(payload), 0) + payload


def dhcp(mac: str, client: str = "0.0.0.0", relay: str = "0.0.0.0") -> bytes:
    addresses = ip_address(client).packed, b"", b"", ip_address(relay).packed
    return udp(68, 67, struct.pack(">4BI2H4s4s4s4s", 1, 1, 6, 0, 1, 0, 0, *addresses) + raw(mac) + bytes(202))


def solicitation(target: str, option: bytes = b"") -> bytes:
    return icmp6(135, bytes(4) + ip_address(target).packed + option)


def icmp6(kind: int, body: bytes = bytes(4)) -> bytes:
    return struct.pack(">BBH", kind, 0, 0) + body


def advert(target: str, option: bytes = b"") -> bytes:
    return icmp6(136, bytes(4) + ip_address(target).packed + option)


def behind(header: int, kind: int, payload: bytes) -> bytes:
    """A payload behind an extension header of 8 bytes; `header` is the first byte of what that says otherwise."""
    return bytes([kind, 0, header]) + bytes(5) + payload


@dataclass(frozen=True)
class Station:
    """Who sends; `gateway` is whom he asks for."""

    mac: str
    ip4: str
    ip6: str
    gateway: str

    @property
    def local6(self) -> str:
        """Its link-local address."""
        return str(ip_address(0xFE80 << 112 | interface_identifier(self.mac)))

    def frame(self, kind: int, payload: bytes, source: str | None = None, to: str = BROADCAST) -> bytes:
        return raw(to) + raw(source or self.mac) + struct.pack(">H", kind) + payload

    def arp(self, sender: str, address: str, operation: int = 1, source: str | None = None, target: str | None = None) -> bytes:
        body = struct.pack(">HHBBH", 1, IPV4, 6, 4, operation)
        body += raw(sender) + ip_address(address).packed + bytes(6) + ip_address(target or self.gateway).packed
        return self.frame(ARP, body, source)

    def ip(self, source: str, payload: bytes = b"", protocol: int = 50, to: str = "255.255.255.255") -> bytes:
        """IPv4; 50 is ESP, which may hold whatever it likes."""
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
        head += ip_address(source).packed + ip_address(to).packed
        return self.frame(IPV4, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload)

    def ipv6(self, source: str, payload: bytes = b"", protocol: int = 50, to: str = "ff02::1") -> bytes:
        head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 255)
        return self.frame(IPV6, head + ip_address(source).packed + ip_address(to).packed + payload)


def forgeries(own: Station, other: Station) -> dict[str, bytes]:
    """What no machine may send, by what it claims."""
    packet = own.ip(own.ip4)[14:]
    return {
        "another MAC": own.frame(IPV4, packet, other.mac),
        "ARP with another MAC inside": own.arp(other.mac, own.ip4),
        "ARP for another address": own.arp(own.mac, other.ip4),
        "ARP answer for another address": own.arp(own.mac, other.ip4, 2),
        "another IPv4 address": own.ip(other.ip4),
        "another IPv6 address": own.ipv6(other.ip6),
        "another link-local address": own.ipv6("fe80::1"),
        "ARP probe for another address": own.arp(own.mac, "0.0.0.0", target=other.ip4),
        "ARP of another length": own.frame(ARP, struct.pack(">HHBBH", 1, IPV4, 8, 4, 1) + raw(own.mac) + bytes(20)),
        "reverse ARP": own.arp(own.mac, own.ip4, 3),
        "DHCP server": own.ip(own.ip4, udp(67, 68), 17),
        "DHCP server at another port": own.ip(own.ip4, udp(4011, 68), 17),
        "DHCP relay": own.ip("0.0.0.0", dhcp(own.mac, relay=own.ip4), 17),
        "DHCP release of another's address": own.ip(own.ip4, dhcp(own.mac, other.ip4), 17),
        "DHCP request with options in its header": own.frame(IPV4, b"\x46" + own.ip(own.ip4, bytes(4) + dhcp(own.mac), 17)[15:]),
        "source route": own.frame(IPV4, b"\x47" + own.ip(own.ip4, bytes(28))[15:]),
        "VRRP": own.ip(own.ip4, bytes(20), 112, "224.0.0.18"),
        "OSPF": own.ip(own.ip4, bytes(24), 89, "224.0.0.5"),
        "HSRP": own.ip(own.ip4, udp(1985, 1985, bytes(20)), 17, "224.0.0.2"),
        "RIP": own.ip(own.ip4, udp(520, 520, bytes(24)), 17, "224.0.0.9"),
        "ICMP redirect": own.ip(own.ip4, bytes([5, 1]) + bytes(34), 1),
        "ICMP router advertisement": own.ip(own.ip4, bytes([9, 0]) + bytes(14), 1),
        "IGMP query": own.ip(own.ip4, bytes([0x11, 0]) + bytes(6), 2, "224.0.0.1"),
        "DHCPv6 server at another port": own.ipv6(own.local6, udp(1024, 546), 17),
        "DHCPv6 relay": own.ipv6(own.local6, udp(546, 547, bytes([12]) + bytes(40)), 17),
        "duplicate address detection for another": own.ipv6("::", solicitation(other.ip6), 58),
        "the same with a nonce": own.ipv6("::", solicitation(other.ip6, b"\x0e\1abcdef"), 58),
        "solicitation with another MAC": own.ipv6(own.local6, solicitation(other.ip6, b"\1\1" + raw(other.mac)), 58),
        "advertisement with another MAC": own.ipv6(own.local6, advert(own.local6, b"\2\1" + raw(other.mac)), 58),
        "router solicitation with another MAC": own.ipv6(own.local6, icmp6(133, bytes(4) + b"\1\1" + raw(other.mac)), 58),
        "router advertisement behind an option": own.ipv6(own.local6, behind(1, 58, icmp6(134, bytes(12))), 60),
        "router advertisement behind a hop-by-hop option": own.ipv6(own.local6, behind(5, 58, icmp6(134, bytes(12))), 0),
        "router advertisement in a fragment": own.ipv6(own.local6, bytes([58, 0, 0, 1, 0, 0, 0, 1]) + icmp6(134, bytes(12)), 44),
        "options in a fragment": own.ipv6(own.local6, bytes([60, 0, 0, 1, 0, 0, 0, 1]) + behind(1, 58, b""), 44),
        "DHCPv6 server in a fragment": own.ipv6(own.local6, bytes([17, 0, 0, 1, 0, 0, 0, 1]) + udp(547, 546), 44),
        "routing header": own.ipv6(own.local6, behind(0, 6, bytes(20)), 43),
        "a name asked of a node": own.ipv6(own.local6, icmp6(139, bytes(12)), 58),
        "DHCP request for another MAC": own.ip("0.0.0.0", dhcp(other.mac), 17),
        "from nobody, but not DHCP": own.ip("0.0.0.0", udp(68, 53), 17),
        "router advertisement": own.ipv6(own.local6, icmp6(134, bytes(12)), 58),
        "redirect": own.ipv6(own.local6, icmp6(137, bytes(36)), 58),
        "listener query": own.ipv6(own.local6, icmp6(130, bytes(20)), 58),
        "DHCPv6 server": own.ipv6(own.local6, udp(547, 546), 17),
        "advertisement of another's IPv6 address": own.ipv6(own.local6, advert(other.ip6), 58),
        "advertisement of the router's address": own.ipv6(own.local6, advert("fe80::1"), 58),
        "VLAN": own.frame(0x8100, struct.pack(">HH", 5, IPV4) + packet),
        "priority tag": own.frame(0x8100, struct.pack(">HH", 0, IPV4) + packet),
        "double VLAN": own.frame(0x88A8, struct.pack(">HHHH", 5, 0x8100, 6, IPV4) + packet),
        "spanning tree": own.frame(4, b"\x42\x42\x03" + bytes(35), to="01:80:c2:00:00:00"),
        "link-local group": own.frame(IPV4, packet, to="01:80:c2:00:00:0e"),
        "LLDP": own.frame(0x88CC, bytes(46)),
        "PPPoE": own.frame(0x8863, bytes(46)),
    }


def bits(frame: bytes, field: Field) -> int | None:
    """What stands in a frame at a field; None where the frame ends before. The third room of the table's offsets is found here."""
    starts = {"ll": 0, "nh": 14, "th": _transport(frame)}
    begin = starts[field.base] * 8 + field.offset
    if begin + field.bits > len(frame) * 8:
        return None
    value = int.from_bytes(frame) >> (len(frame) * 8 - begin - field.bits) & (1 << field.bits) - 1
    return value & field.mask if field.mask is not None else value


def put(frame: bytes, field: Field, value: int) -> bytes:
    """The frame, as long as need be, with a field set; bits outside of its mask stay."""
    begin = {"ll": 0, "nh": 14, "th": _transport(frame)}[field.base] * 8 + field.offset
    frame = frame.ljust(-(-(begin + field.bits) // 8), b"\0")
    shift = len(frame) * 8 - begin - field.bits
    mask = field.mask if field.mask is not None else (1 << field.bits) - 1
    return (int.from_bytes(frame) & ~(mask << shift) | (value & mask) << shift).to_bytes(len(frame))


def _transport(frame: bytes) -> int:
    kind = int.from_bytes(frame[12:14])
    if kind == IP4:
        return 14 + 4 * (frame[14] & 15)
    return 54 + (8 if kind == IP6 and len(frame) > 20 and frame[20] in (0, 44) else 0)


def holds(field: Field, frame: bytes, station: Station) -> bool:
    value = bits(frame, field)
    return value is not None and (value in _may(field, station)) != field.but


def permitted(frame: bytes, station: Station) -> bool:
    """What the table says of a frame, without nftables: the second opinion."""
    return any(all(holds(field, frame, station) for field in (*ANY_FRAME, *kind.fields)) for kind in FRAMES)


def example(kind: Frame, station: Station) -> bytes:
    """A frame of that kind."""
    frame = raw(BROADCAST) + raw(station.mac) + bytes(86)
    for field in sorted(kind.fields, key=lambda one: ("ll", "nh", "th").index(one.base)):
        may = _may(field, station)
        frame = put(frame, field, next(value for value in range(8, 99, 8) if value not in may) if field.but else min(may))
    if frame[12:14] == b"\x86\xdd":
        length = frame[18:20] if any(field.name == "length" for field in kind.fields) else (len(frame) - 54).to_bytes(2)
        frame = frame[:14] + b"\x60\0\0\0" + length + frame[20:38] + ip_address("ff02::1").packed + frame[54:]
    return sealed(frame)


def sealed(frame: bytes) -> bytes:
    """With IPv4's time to live, length and checksum right, without which bridges and hosts drop it before anybody looks."""
    length = 4 * (frame[14] & 15)
    if frame[12:14] != b"\x08\x00" or not 20 <= length <= len(frame) - 14:
        return frame
    head = (
        frame[14:16] + (len(frame) - 14).to_bytes(2) + frame[18:22] + b"\x40" + frame[23:24] + bytes(2) + frame[26 : 14 + length]
    )
    return frame[:14] + head[:10] + checksum(head).to_bytes(2) + head[12:] + frame[14 + length :]


def _may(field: Field, station: Station) -> frozenset[int]:
    if field.may is Own.MAC:
        return frozenset({int.from_bytes(raw(station.mac))})
    if field.may is Own.IP4:
        return frozenset({int(ip_address(station.ip4))})
    if field.may is Own.IP6:
        return frozenset(own_ip6(station.mac, [IPv6Address(station.ip6)]))
    assert not isinstance(field.may, Own)
    return field.may
