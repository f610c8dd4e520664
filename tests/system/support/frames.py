"""Ethernet frames as a machine may send them, and as it may not."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from gaoler.host.net.guard_rules import interface_identifier

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


def dhcp(mac: str) -> bytes:
    return udp(68, 67, struct.pack(">4BI2H4s4s4s4s", 1, 1, 6, 0, 1, 0, 0, b"", b"", b"", b"") + raw(mac) + bytes(202))


def icmp6(kind: int, body: bytes = bytes(4)) -> bytes:
    return struct.pack(">BBH", kind, 0, 0) + body


def advert(target: str) -> bytes:
    return icmp6(136, bytes(4) + ip_address(target).packed)


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

    def arp(self, sender: str, address: str, operation: int = 1, source: str | None = None) -> bytes:
        body = struct.pack(">HHBBH", 1, IPV4, 6, 4, operation)
        body += raw(sender) + ip_address(address).packed + bytes(6) + ip_address(self.gateway).packed
        return self.frame(ARP, body, source)

    def ip(self, source: str, payload: bytes = b"", protocol: int = 253, to: str = "255.255.255.255") -> bytes:
        """IPv4; 253 is for experiments (RFC 3692)."""
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
        head += ip_address(source).packed + ip_address(to).packed
        return self.frame(IPV4, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload)

    def ipv6(self, source: str, payload: bytes = b"", protocol: int = 253, to: str = "ff02::1") -> bytes:
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
        "DHCP server": own.ip(own.ip4, udp(67, 68), 17),
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
