"""The guard, frame by frame: a machine's TAP and another one on the same bridge, which must not see what is forbidden."""

from __future__ import annotations

import os
import select
import struct
import subprocess
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaoler.errors import Failed
from gaoler.host.net import nft
from gaoler.host.net.frames import ANY_FRAME, FRAMES
from gaoler.host.net.tap import VNET_HEADER
from system.support.frames import (
    IPV4,
    Station,
    advert,
    dhcp,
    example,
    forgeries,
    holds,
    icmp6,
    permitted,
    put,
    raw,
    sealed,
    solicitation,
    udp,
)
from system.support.host import network, nothing_left_over  # noqa: F401 - fixtures
from system.support.wire import GATEWAY, IP4, IP6, MAC, ME, OTHER, OTHER4, OTHER6, guard_fixture, wire_fixture  # noqa: F401 - fixtures

pytestmark = [pytest.mark.root, pytest.mark.network]

LOCAL6 = ME.local6
frame, arp, ip4, ip6 = ME.frame, ME.arp, ME.ip, ME.ipv6

ALWAYS_FORBIDDEN = forgeries(ME, Station(OTHER, OTHER4, OTHER6, GATEWAY))


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
    "address probe": arp(MAC, "0.0.0.0", target=IP4),
    "IPv4": ip4(IP4),
    "IPv4 to a server": ip4(IP4, udp(1024, 80), 17, "10.231.0.1"),
    "DHCP request": ip4("0.0.0.0", dhcp(MAC), 17),
    "DHCP renewal": ip4(IP4, dhcp(MAC, IP4), 17, "10.231.0.1"),
    "IPv6": ip6(IP6),
    "link-local": ip6(LOCAL6),
    "advertisement": ip6(IP6, advert(IP6), 58),
    "advertisement from the link-local address": ip6(LOCAL6, advert(IP6), 58),
    "advertisement of the link-local address": ip6(LOCAL6, advert(LOCAL6), 58),
    "IPv6 address probe": ip6("::", solicitation(IP6), 58),
    "IPv6 address probe with a nonce": ip6("::", solicitation(IP6, b"\x0e\1abcdef"), 58),
    "solicitation": ip6(IP6, solicitation(OTHER6, b"\1\1" + raw(MAC)), 58),
    "multicast report": ip6("::", bytes.fromhex("3a00050200000100") + icmp6(143, bytes(24)), 0),
    "a long ping": ip6(IP6, bytes([58, 0, 0, 1, 0, 0, 0, 1]) + icmp6(128, bytes(64)), 44),
    "router solicitation": ip6(LOCAL6, icmp6(133), 58),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_allowed(guard, wire, what):
    guard.add("gt1", MAC, [IP4, IP6])
    assert wire.passes(ALLOWED[what])


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.name)
def test_each_frame_of_the_table_passes_and_fails_with_each_of_its_fields(guard, wire, kind):
    """The kernel's opinion, beside the table's own."""
    guard.add("gt1", MAC, [IP4, IP6])
    sent = example(kind, ME)
    assert permitted(sent, ME)
    assert wire.passes(sent)
    for field in (*ANY_FRAME, *kind.fields):
        broken = next(
            changed
            for value in (0, 0x0180C2000003, (1 << field.bits) - 1, 1, 67, 2, 5, 0x45, *range(256))
            if not holds(field, changed := sealed(put(sent, field, value)), ME)
        )
        assert wire.passes(broken) == permitted(broken, ME), field.words


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_frames_at_random_are_taken_as_the_table_says(guard, wire, data):
    """Drawn from the table, then changed here and there; heard at a peer's port."""
    if "gt1" not in guard.listed():
        guard.add("gt1", MAC, [IP4, IP6])
    kind = data.draw(st.sampled_from([kind for kind in FRAMES if not kind.rate]))
    sent = example(kind, ME)
    for field in data.draw(st.lists(st.sampled_from([*ANY_FRAME, *kind.fields]), max_size=3)):
        sent = put(
            sent,
            field,
            data.draw(st.integers(0, (1 << field.bits) - 1) | st.sampled_from([0, 1, 5, 17, 44, 58, 60, 67, 68, 546])),
        )
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(12, len(sent) - 1))
        sent = sent[:at] + bytes([data.draw(st.integers(0, 255))]) + sent[at + 1 :]
    sent = sealed(sent)
    assert wire.passes(sent) <= permitted(sent, ME), sent.hex()


def test_dhcp_requests_come_at_a_rate(guard, wire):
    """With as many client identifiers as requests, a machine would take all addresses of the LAN."""
    guard.add("gt1", MAC, None)
    passed = sum(wire.passes(ip4("0.0.0.0", dhcp(MAC), 17)) for _ in range(60))
    assert 20 <= passed < 60


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


def test_any_nft_of_this_host_can_list_the_rules(guard, wire):
    """One that dies of them (1.0.6 did of some) could load no firewall either."""
    guard.add("gt1", MAC, None)
    guard.add("gt2", OTHER, [IP4, IP6])
    serve(wire, answer(IP4))
    listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "leases_gt1" in listed
    subprocess.run(["nft", "-f", "-"], input="add table inet firewall\ndelete table inet firewall\n", text=True, check=True)


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
