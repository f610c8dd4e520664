"""The guard, frame by frame: a machine's TAP and another one on the same bridge, which must not see what is forbidden."""

from __future__ import annotations

import os
import select
import struct
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from gaoler.errors import Failed
from gaoler.host import links, nft
from gaoler.host.guard import Guard
from gaoler.host.guard_rules import interface_identifier
from gaoler.host.tap import VNET_HEADER, open_tap
from system.host_fixtures import network, nothing_left_over  # noqa: F401 - fixtures

pytestmark = [pytest.mark.root, pytest.mark.network]

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP4, OTHER4 = "10.231.0.16", "10.231.0.17"
IP6, OTHER6 = "fd00:231::10", "fd00:231::11"
LOCAL6 = str(ip_address(0xFE80 << 112 | interface_identifier(MAC)))
BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def frame(kind: int, payload: bytes, source: str = MAC, to: str = BROADCAST) -> bytes:
    return raw(to) + raw(source) + struct.pack(">H", kind) + payload


def arp(sender: str, address: str, operation: int = 1, source: str = MAC) -> bytes:
    body = struct.pack(">HHBBH", 1, IPV4, 6, 4, operation)
    return frame(ARP, body + raw(sender) + ip_address(address).packed + bytes(6) + ip_address("10.231.0.1").packed, source)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(source: str, payload: bytes = b"", protocol: int = 253, to: str = "255.255.255.255") -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    head += ip_address(source).packed + ip_address(to).packed
    return frame(IPV4, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload)


def ip6(source: str, payload: bytes = b"", protocol: int = 253, to: str = "ff02::1") -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 255)
    return frame(IPV6, head + ip_address(source).packed + ip_address(to).packed + payload)


def udp(source: int, to: int, payload: bytes = b"") -> bytes:
    return struct.pack(">4H", source, to, 8 + len(payload), 0) + payload


def dhcp(mac: str) -> bytes:
    return udp(68, 67, struct.pack(">4BI2H4s4s4s4s", 1, 1, 6, 0, 1, 0, 0, b"", b"", b"", b"") + raw(mac) + bytes(202))


def icmp6(kind: int, body: bytes = bytes(4)) -> bytes:
    return struct.pack(">BBH", kind, 0, 0) + body


def advert(target: str) -> bytes:
    return icmp6(136, bytes(4) + ip_address(target).packed)


class Wire:
    """The bridge, the machine's end of a guarded port, and somebody who listens on another port."""

    def __init__(self, machine: int, listener: int) -> None:
        self.machine, self.listener = machine, listener
        self.number = 0

    def passes(self, sent: bytes) -> bool:
        """Whether a frame comes out at the listener, before a mark that is let through."""
        self.send(sent)
        return self.came(sent)

    def send(self, one: bytes) -> None:
        os.write(self.machine, bytes(VNET_HEADER) + one.ljust(60, b"\0"))

    def came(self, sent: bytes) -> bool:
        self.number += 1
        mark = arp(MAC, "0.0.0.0") + self.number.to_bytes(8)
        self.send(mark)
        received = []
        while not (received and received[-1].startswith(mark)):
            assert select.select([self.listener], [], [], 5)[0], "even the mark did not pass"
            received.append(os.read(self.listener, 2048)[VNET_HEADER:])
        # Bridges with br_netfilter cut the padding off.
        return any(one.startswith(sent.rstrip(b"\0")) for one in received)


@pytest.fixture
def guard(network):  # noqa: F811
    guard = Guard("gt")
    guard.install()
    return guard


@pytest.fixture
def wire(guard):
    with ExitStack() as undo:
        links.ensure_bridge("wire", [])
        undo.callback(links.delete_link, "wire")
        ends = []
        for name in ("gt1", "listener"):
            ends.append(open_tap(name))
            undo.callback(os.close, ends[-1])
            links.attach(name, "wire", mac=MAC if name == "gt1" else None)
        yield Wire(*ends)


ALWAYS_FORBIDDEN = {
    "another MAC": frame(IPV4, ip4(IP4)[14:], OTHER),
    "ARP with another MAC inside": arp(OTHER, IP4),
    "ARP for another address": arp(MAC, OTHER4),
    "ARP answer for another address": arp(MAC, OTHER4, 2),
    "another IPv4 address": ip4(OTHER4),
    "another IPv6 address": ip6(OTHER6),
    "another link-local address": ip6("fe80::1"),
    "DHCP server": ip4(IP4, udp(67, 68), 17),
    "DHCP request for another MAC": ip4("0.0.0.0", dhcp(OTHER), 17),
    "from nobody, but not DHCP": ip4("0.0.0.0", udp(68, 53), 17),
    "router advertisement": ip6(LOCAL6, icmp6(134, bytes(12)), 58),
    "redirect": ip6(LOCAL6, icmp6(137, bytes(36)), 58),
    "listener query": ip6(LOCAL6, icmp6(130, bytes(20)), 58),
    "DHCPv6 server": ip6(LOCAL6, udp(547, 546), 17),
    "advertisement of another's IPv6 address": ip6(LOCAL6, advert(OTHER6), 58),
    "advertisement of the router's address": ip6(LOCAL6, advert("fe80::1"), 58),
    "VLAN": frame(0x8100, struct.pack(">HH", 5, IPV4) + ip4(IP4)[14:]),
    "priority tag": frame(0x8100, struct.pack(">HH", 0, IPV4) + ip4(IP4)[14:]),
    "double VLAN": frame(0x88A8, struct.pack(">HHHH", 5, 0x8100, 6, IPV4) + ip4(IP4)[14:]),
    "spanning tree": frame(4, b"\x42\x42\x03" + bytes(35), to="01:80:c2:00:00:00"),
    "link-local group": frame(IPV4, ip4(IP4)[14:], to="01:80:c2:00:00:0e"),
    "LLDP": frame(0x88CC, bytes(46)),
    "PPPoE": frame(0x8863, bytes(46)),
}


@pytest.mark.parametrize("what", ALWAYS_FORBIDDEN)
def test_forbidden(guard, wire, what):
    sent = ALWAYS_FORBIDDEN[what]
    guard.add("gt1", MAC, [IP4, IP6])
    assert not wire.passes(sent)
    guard.add("gt1", MAC, None)
    assert not wire.passes(sent)


ALLOWED = {
    "ARP": arp(MAC, IP4),
    "ARP answer": arp(MAC, IP4, 2),
    "address probe": arp(MAC, "0.0.0.0"),
    "IPv4": ip4(IP4),
    "IPv4 to a server": ip4(IP4, udp(1024, 80), 17, "10.231.0.1"),
    "DHCP request": ip4("0.0.0.0", dhcp(MAC), 17),
    "DHCP renewal": ip4(IP4, dhcp(MAC), 17, "10.231.0.1"),
    "IPv6": ip6(IP6),
    "link-local": ip6(LOCAL6),
    "advertisement": ip6(IP6, advert(IP6), 58),
    "advertisement from the link-local address": ip6(LOCAL6, advert(IP6), 58),
    "advertisement of the link-local address": ip6(LOCAL6, advert(LOCAL6), 58),
    "IPv6 address probe": ip6("::", icmp6(135, bytes(20)), 58),
    "router solicitation": ip6(LOCAL6, icmp6(133), 58),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_allowed(guard, wire, what):
    guard.add("gt1", MAC, [IP4, IP6])
    assert wire.passes(ALLOWED[what])


def answer(address: str, mac: str = MAC, operation: int = 2) -> bytes:
    """What a DHCP server sends from the listener's side of the bridge."""
    boot = struct.pack(">4BI2H4s4s8x", operation, 1, 6, 0, 1, 0, 0, bytes(4), ip_address(address).packed) + raw(mac) + bytes(202)
    sent = ip4("10.231.0.1", udp(67, 68, boot), 17)
    return sent[:6] + raw(OTHER) + sent[12:]


def serve(wire, sent: bytes) -> None:
    os.write(wire.listener, bytes(VNET_HEADER) + sent)
    assert select.select([wire.machine], [], [], 5)[0]
    while select.select([wire.machine], [], [], 0)[0]:
        os.read(wire.machine, 2048)


def test_an_address_is_used_when_the_server_gave_it_and_not_before(guard, wire):
    guard.add("gt1", MAC, None)
    assert wire.passes(ip4("0.0.0.0", dhcp(MAC), 17))
    for useless in (answer(IP4, OTHER), answer(IP4, operation=1), answer(OTHER4)):
        assert not wire.passes(ip4(IP4, b"early"))
        assert not wire.passes(arp(MAC, IP4))
        serve(wire, useless)
    serve(wire, answer(IP4))
    assert wire.passes(ip4(IP4, b"late"))
    assert wire.passes(arp(MAC, IP4))
    assert not wire.passes(ip4("10.231.0.18"))
    guard.add("gt1", MAC, None)  # started anew, it must ask again
    assert not wire.passes(ip4(IP4, b"later"))


def test_what_a_machine_says_as_a_server_teaches_nothing(guard, wire):
    guard.add("gt1", MAC, None)
    wire.send(frame(IPV4, answer(IP4)[14:]))
    assert not wire.passes(ip4(IP4))


def test_a_fixed_address_is_not_changed_by_a_server(guard, wire):
    guard.add("gt1", MAC, [IP6])
    serve(wire, answer(IP4))
    assert not wire.passes(ip4(IP4))


def test_a_port_that_nobody_added_is_closed(guard, wire):
    """Named like a machine's, not (or no longer) guarded."""
    for forget, payload in ((lambda: None, b"first"), (lambda: guard.remove("gt1"), b"second")):
        forget()
        wire.send(ip4(IP4, payload))
        guard.add("gt1", MAC, [IP4])
        assert not wire.came(ip4(IP4, payload))
        assert wire.passes(ip4(IP4, payload))


def test_the_record_is_the_kernels(guard):
    assert guard.listed() == set()
    guard.add("gt1", MAC, [IP4])
    guard.add("gt2", OTHER, None)
    guard.install()
    assert guard.listed() == {"gt1", "gt2"}
    guard.remove("gt1")
    guard.remove("gt1")
    assert guard.listed() == {"gt2"}
    guard.uninstall()
    guard.uninstall()
    assert guard.listed() == set()
    with pytest.raises(Failed):
        guard.add("gt1", MAC, [IP4])


def test_flushed_rules_are_noticed_and_the_bridge_alone_still_holds_the_mac(guard, wire):
    guard.add("gt1", MAC, [IP4])
    watched = guard.watch()
    try:
        assert not guard.lost(watched)
        guard.add("gt1", MAC, [IP4])
        nft.transact("add table bridge another\ndelete table bridge another", "another's")
        assert select.select([watched], [], [], 5)[0]
        assert not guard.lost(watched), "what we and others do is no loss"
        nft.transact("flush ruleset", "a firewall's restart")
        assert select.select([watched], [], [], 5)[0]
        assert guard.lost(watched)
        assert not wire.passes(frame(IPV4, ip4(IP4)[14:], OTHER)), "another MAC"
        assert wire.passes(ip4(OTHER4)), "what the guard is there for, which shows that it has gone"
        guard.install()
        wire.send(ip4(IP4, b"closed"))
        guard.add("gt1", MAC, [IP4])
        assert not wire.came(ip4(IP4, b"closed"))
        assert not wire.passes(ip4(OTHER4))
        assert wire.passes(ip4(IP4))
    finally:
        watched.close()


def test_leases_outlive_the_rules(guard, wire):
    guard.add("gt1", MAC, None)
    serve(wire, answer(IP4))
    assert guard.leases("gt1") == [IP4]
    nft.transact("flush ruleset", "a firewall's restart")
    assert guard.leases("gt1") == []
    guard.install()
    guard.add("gt1", MAC, None, [IP4])
    assert guard.leases("gt1") == [IP4]
    assert wire.passes(ip4(IP4))
    assert not wire.passes(ip4(OTHER4))
