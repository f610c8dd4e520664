"""Who a machine says it is to DHCP servers, heard behind its port: itself, with a bounded number of identifiers."""

from __future__ import annotations

import fcntl
import json
import struct
import subprocess

import pytest

from gaoler.host.net import checksums
from gaoler.host.net.dhcp_clients import Clients
from gaoler.host.net.tap import VNET_HEADER
from system.support.frames import advert, dhcp, raw, udp
from system.support.host import network, nothing_left_over  # noqa: F401 - fixtures
from system.support.wire import IP4, IP6, MAC, ME, OTHER, Wire, guard_fixture, wire_fixture  # noqa: F401 - fixtures

pytestmark = [pytest.mark.root, pytest.mark.network]

OWN, OTHERS = raw(MAC), raw(OTHER)
TUNSETOFFLOAD = 0x400454D0  # linux/if_tun.h
IAID = bytes.fromhex("00c0ffee")
LL, LLT, EN, UUID = b"\0\3\0\1", b"\0\1\0\1\x2c\0\0\1", b"\0\2\0\0\xab\x11", b"\0\4"


def option(kind: int, data: bytes = b"") -> bytes:
    return bytes([kind, len(data)]) + data


def ask(*options: bytes, cookie: bytes = b"\x63\x82\x53\x63", end: bytes = b"\xff") -> bytes:
    """A DHCPv4 request with these options."""
    message = dhcp(MAC)[8:].ljust(236, b"\0") + cookie + option(53, b"\1") + b"".join(options) + end
    return ME.ip("0.0.0.0", udp(68, 67, message), 17)


def option6(kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">HH", kind, len(data)) + data


def ask6(*options: bytes) -> bytes:
    return ME.ipv6(ME.local6, udp(546, 547, b"\1abc" + b"".join(options)), 17)


def client(data: bytes) -> bytes:
    return ask(option(61, data))


def client6(data: bytes) -> bytes:
    return ask6(option6(1, data), option6(3, IAID + bytes(8)))


ITSELF = {
    "no identifier": ask(),
    "no options at all": ME.ip("0.0.0.0", dhcp(MAC), 17),
    "its MAC (udhcpc)": client(b"\1" + OWN),
    "a DUID of its MAC and a time (dhcpcd)": client(b"\xff" + IAID + LLT + OWN),
    "a DUID of its MAC": client(b"\xff" + IAID + LL + OWN),
    "behind other options and padding": ask(option(12, b"host"), bytes(9), option(55, bytes(40)), option(61, b"\1" + OWN), end=b"\xff" + bytes(60)),
    "without an end": ask(option(61, b"\1" + OWN), end=b""),
    "IPv6, a DUID of its MAC and a time": client6(LLT + OWN),
    "IPv6, a DUID of its MAC": client6(LL + OWN),
    "IPv6, a question without an identifier": ask6(option6(6, b"\0\x17")),
    "IPv6, behind other options": ask6(option6(6, bytes(10)), option6(8, bytes(2)), option6(1, LL + OWN)),
    "a fragment whose bytes look like one": ME.frame(0x0800, bytes.fromhex("4500006c0001002a40110000") + bytes(4) + b"\xff" * 4 + b"\0\x44\0\x43" + bytes(80)),
}
SOMEBODY_ELSE = {
    "another's MAC": client(b"\1" + OTHERS),
    "another's MAC behind padding": ask(bytes(70), option(61, b"\1" + OTHERS)),
    "another's MAC behind its own": ask(option(61, b"\1" + OWN), option(61, b"\1" + OTHERS)),
    "its own twice, which servers put together (RFC 3396)": ask(option(61, b"\1" + OWN), option(61, b"\1" + OWN)),
    "its own, a byte longer": client(b"\1" + OWN + b"\1"),
    "a byte shorter": client(b"\1" + OWN[:5]),
    "another kind of hardware": client(b"\6" + OWN),
    "nothing": client(b""),
    "a name": client(b"\0somebody"),
    "another's DUID": client(b"\xff" + IAID + LL + OTHERS),
    "another's DUID with a time": client(b"\xff" + IAID + LLT + OTHERS),
    "a DUID of an enterprise (networkd)": client(b"\xff" + IAID + EN + bytes(8)),
    "a DUID of a UUID": client(b"\xff" + IAID + UUID + bytes(16)),
    "cut off in the middle": ask(option(61, b"\1" + OWN)[:5], end=b""),
    "options in the server's name and the file": ask(option(52, b"\3")),
    "a relay's circuit": ask(option(82, b"\1\4door")),
    "more options than anybody has": ask(bytes(101), option(61, b"\1" + OWN)),
    "IPv6, another's DUID": client6(LL + OTHERS),
    "IPv6, another's DUID with a time": client6(LLT + OTHERS),
    "IPv6, a DUID of an enterprise": client6(EN + bytes(8)),
    "IPv6, a DUID of a UUID": client6(UUID + bytes(16)),
    "IPv6, two": ask6(option6(1, LL + OWN), option6(1, LL + OWN)),
    "IPv6, another's behind others": ask6(option6(6, bytes(40)), option6(1, LL + OTHERS)),
    "IPv6, an association that is cut off": ask6(option6(1, LL + OWN), option6(3, bytes(2))),
}


@pytest.fixture
def of():
    made = Clients()
    yield made
    made.close()


@pytest.fixture
def held(guard, wire, of):
    guard.add("gt1", MAC, None)
    of.hold("gt1")
    return wire


def test_itself_passes(held, of):
    """More kinds than any one machine has: the port is made anew for each."""
    lost = []
    for what, sent in ITSELF.items():
        of.hold("gt1")
        if held.passes(sent) == what.startswith("a fragment"):  # which has no right to be here by the guard's table
            lost.append(what)
    assert lost == []


def test_somebody_else_does_not(held):
    assert [what for what, sent in SOMEBODY_ELSE.items() if held.passes(sent)] == []


def test_it_is_this_that_holds_it(guard, wire):
    """The table of frames lets nearly all of them pass: what it looks at is at fixed places."""
    guard.add("gt1", MAC, None)
    assert sum(map(wire.passes, list(SOMEBODY_ELSE.values())[:18])) >= 17


def test_a_machine_is_no_more_than_a_few_clients(held, guard, of):
    """Else it takes all addresses of the LAN."""
    passed = 0
    for number in range(30):
        guard.add("gt1", MAC, None)  # the rate begins anew: it is not what is looked at here
        passed += held.passes(client(b"\xff" + number.to_bytes(4) + LL + OWN))
    assert passed == 8
    assert held.passes(client(b"\xff" + bytes(4) + LL + OWN)), "those that it has it keeps"
    of.hold("gt1")
    passed = 0
    for number in range(30):
        guard.add("gt1", MAC, None)
        passed += held.passes(ask6(option6(1, LL + OWN), option6(3, number.to_bytes(4) + bytes(8))))
    assert passed == 7, "beside its DUID"
    of.forget("gt1")
    of.forget("gt1")
    assert not held.passes(client(b"\1" + OWN)), "a port that is not held says nothing"


def test_no_message_hides_in_a_frame_that_is_cut_up_on_its_way(guard, wire, of):
    """UDP segmentation (VIRTIO_NET_HDR_GSO_UDP_L4): the kernel makes several datagrams of one, each with the first one's header."""
    theft = client(b"\1" + OTHERS)[42:]
    first = ask()[42:].ljust(len(theft), b"\0")
    sent = ME.ip("0.0.0.0", udp(68, 67, first + theft), 17)
    header = struct.pack("<BBHHHH", 1, 5, 42, len(theft), 34, 6)  # a checksum to be made, UDP's segmentation, sizes
    assert len(header) == VNET_HEADER
    guard.add("gt1", MAC, None)
    for held in (False, True):
        if held:
            of.hold("gt1")
        wire.send(sent, header)
        assert any(OTHERS in one for one in wire.heard()) != held


def test_what_goes_to_servers_in_pieces_is_dropped(held):
    """What stands in the second piece nobody looks at."""
    whole = ask()
    cut = bytearray(whole)
    cut[20:22] = b"\x20\0"  # more fragments
    assert held.passes(whole)
    assert not held.passes(bytes(cut))


@pytest.fixture
def plain(guard, wire):
    """With a listener for whom the host itself writes the sums that senders have left to it."""
    fcntl.ioctl(wire.listener, TUNSETOFFLOAD, 0)
    guard.add("gt1", MAC, [IP4, IP6])
    return wire


def summed(start: int, offset: int) -> bytes:
    """In front of a frame: the wish that a sum from `start` be written `offset` further on."""
    return struct.pack("<BBHHHH", 1, 0, 0, 0, start, offset)


def comes(plain: Wire, header: bytes, sent: bytes) -> bool:
    """Whether it comes out, whatever it has become."""
    plain.send(sent, header)
    return bool(plain.heard())


def test_no_sum_is_written_onto_what_the_guard_has_looked_at(plain, of):
    segment = struct.pack(">HHIIHHHH", 1024, 80, 0, 0, 0x5000, 0, 0, 0)
    forged = {
        "the sender's address of ARP": (summed(20, 10), ME.arp(MAC, IP4, 2)),
        "the sender's MAC of ARP": (summed(20, 4), ME.arp(MAC, IP4, 2)),
        "the source of IPv4": (summed(20, 8), ME.ip(IP4, udp(1024, 53, bytes(8)), 17)),
        "the source of TCP": (summed(20, 8), ME.ip(IP4, segment, 6)),
        "the source port": (summed(34, 0), ME.ip(IP4, udp(1024, 53, bytes(8)), 17)),
        "the destination port": (summed(34, 2), ME.ip(IP4, udp(1024, 53, bytes(8)), 17)),
        "an ICMP message": (summed(34, 0), ME.ip(IP4, bytes([8, 0]) + bytes(14), 1)),
        "the source of IPv6": (summed(20, 10), ME.ipv6(IP6, udp(1024, 53, bytes(8)), 17)),
        "the target of an advertisement": (summed(54, 22), ME.ipv6(IP6, advert(IP6), 58)),
    }
    proper = {
        "UDP": (summed(34, 6), ME.ip(IP4, udp(1024, 53, bytes(8)), 17)),
        "TCP": (summed(34, 16), ME.ip(IP4, segment, 6)),
        "UDP, IPv6": (summed(54, 6), ME.ipv6(IP6, udp(1024, 53, bytes(8)), 17)),
        "TCP, IPv6": (summed(54, 16), ME.ipv6(IP6, segment, 6)),
        "nothing to be done": (bytes(VNET_HEADER), ME.arp(MAC, IP4)),
    }
    for held in (False, True):
        if held:
            of.hold("gt1")
        assert [what for what, one in proper.items() if not comes(plain, *one)] == []
        assert [what for what, one in forged.items() if comes(plain, *one)] == ([] if held else list(forged))


def test_nor_where_a_bridge_hands_it_on_to_the_host(plain):
    """As in private mode, where all that leaves the host has come in at the bridge."""
    proper, forged = summed(34, 6), summed(20, 8)
    checksums.hold("wire")
    for header, lost in ((proper, 0), (forged, 1), (proper, 1), (forged, 2)):
        comes(plain, header, ME.ip(IP4, udp(1024, 53, bytes(8)), 17))
        shown = json.loads(subprocess.run(["tc", "-s", "-j", "qdisc", "show", "dev", "wire", "clsact"], capture_output=True, check=True).stdout)
        assert shown[0]["drops"] == lost
