"""On a LAN, root of a machine sends as somebody else; nothing of it reaches the LAN, nor the machine beside it."""

from __future__ import annotations

import json
import select
import socket
import struct

import pytest

from system.support.frames import BROADCAST, IPV4, Station, forgeries
from system.support.machine import running
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]

SEND = """
socket(my $wire, 17, 3, 0x0300) or die "packet socket: $!";   # AF_PACKET, SOCK_RAW, ETH_P_ALL
open(my $file, "/sys/class/net/eth0/ifindex"); my $index = int(<$file>);
while (<STDIN>) { chomp; send($wire, pack("H*", $_), 0, pack("S n l S C C a8", 17, 3, $index, 0, 0, 0, "")) or die "send: $!"; $sent++ }
print "$sent\\n";
"""
"""For perl, which every Debian has: frames in hexadecimal, one a line."""
_ALL, _RECEIVE_BUFFER_FORCE = 0x0003, 33  # ETH_P_ALL, SO_RCVBUFFORCE


def hearing(link: str) -> socket.socket:
    """All that passes an interface, in either direction, in the network namespace of whoever calls."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    sock.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 4 << 20)
    sock.bind((link, _ALL))
    return sock


def heard(sock: socket.socket, last: bytes) -> list[bytes]:
    """What came up to a frame that is let through."""
    found: list[bytes] = []
    while not (found and found[-1].startswith(last)):
        assert select.select([sock], [], [], PATIENCE)[0], "not even what is allowed came through"
        found.append(sock.recv(4096))
    return found


def tap_of(gateway, name: str) -> str:
    records = [json.loads(path.read_bytes()) for path in (gateway.store / ".gaoler/machines").glob("*/record.json")]
    (identity,) = (record["id"] for record in records if record["name"] == name)
    return f"{gateway.prefix}{identity}"[:15]


def test_nobody_hears_what_a_machine_sends_as_somebody_else(lan, lan_gateway, visitor):
    with running(lan_gateway, visitor, "forger") as forger, running(lan_gateway, visitor, "victim") as victim:
        until(lambda: forger.info()["address6"] and victim.info()["address6"], "both have IPv6 addresses")
        own, other = (Station(one["mac"], one["address"], one["address6"], lan.gateway) for one in (forger.info(), victim.info()))
        router = Station(mac_of_the_router(lan), lan.gateway, f"{lan.network6}::1", lan.gateway)
        sent = {f"{what}, for {whom}": one for whom, station in (("the victim", other), ("the router", router))
                for what, one in forgeries(own, station).items()}  # fmt: skip
        mark = own.frame(IPV4, own.ip(own.ip4, b"allowed" + struct.pack(">I", len(sent)))[14:], to=BROADCAST)
        lines = "\n".join(one.ljust(60, b"\0").hex() for one in [*sent.values(), mark])
        with hearing(tap_of(lan_gateway, "victim")) as beside, lan.router.inside(lambda: hearing("host")) as uplink:
            done = forger.exec("perl", "-e", SEND, input=lines + "\n")
            assert done.stdout.strip() == str(len(sent) + 1), done.stderr
            for place, sock in (("the victim's port", beside), ("the LAN", uplink)):
                came = heard(sock, mark)
                through = [what for what, one in sent.items() if any(frame.startswith(one.rstrip(b"\0")) for frame in came)]
                assert not through, f"at {place}"
        assert victim.exec("ping", "-c1", "-W5", lan.gateway).returncode == 0, "it is still the victim's address"


def mac_of_the_router(lan) -> str:
    return lan.router.run("cat", "/sys/class/net/br0/address").stdout.strip()
