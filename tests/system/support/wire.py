"""A guarded port of a bridge with a machine's end, and somebody who listens at another port: what comes through is heard."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gaoler.host.net import links
from gaoler.host.net.guard import Guard
from gaoler.host.net.tap import VNET_HEADER, open_tap
from system.support.frames import Station, icmp6
from system.support.waiting import PATIENCE

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP4, OTHER4 = "10.231.0.16", "10.231.0.17"
IP6, OTHER6 = "fd00:231::10", "fd00:231::11"
GATEWAY = "10.231.0.1"
ME = Station(MAC, IP4, IP6, GATEWAY)


class Wire:
    """The bridge, the machine's end of a guarded port, and somebody who listens on another port."""

    def __init__(self, machine: int, listener: int) -> None:
        self.machine, self.listener = machine, listener
        self.number = 0

    def passes(self, sent: bytes) -> bool:
        """Whether a frame comes out at the listener, before a mark that is let through."""
        self.send(sent)
        return self.came(sent)

    def send(self, one: bytes, header: bytes = bytes(VNET_HEADER)) -> None:
        os.write(self.machine, header + one.ljust(60, b"\0"))

    def came(self, sent: bytes) -> bool:
        # Bridges with br_netfilter cut the padding off.
        return any(one.startswith(sent.rstrip(b"\0")) for one in self.heard())

    def heard(self) -> list[bytes]:
        """All that comes out, whatever it has become, before a mark that is let through."""
        self.number += 1
        mark = ME.ipv6("::", icmp6(133, self.number.to_bytes(4)), 58)
        self.send(mark)
        received: list[bytes] = []
        while not (received and received[-1].startswith(mark)):
            assert select.select([self.listener], [], [], PATIENCE)[0], "even the mark did not pass"
            received.append(os.read(self.listener, 4096)[VNET_HEADER:])
        return received[:-1]


@pytest.fixture(name="guard")
def guard_fixture(network: object) -> Guard:
    guard = Guard("gt")
    guard.install()
    return guard


@pytest.fixture(name="wire")
def wire_fixture(guard: Guard) -> Iterator[Wire]:
    with ExitStack() as undo:
        links.ensure_bridge("wire", [])
        undo.callback(links.delete_link, "wire")
        ends = []
        for name in ("gt1", "listener"):
            ends.append(open_tap(name))
            undo.callback(os.close, ends[-1])
            links.attach(name, "wire", mac=MAC if name == "gt1" else None)
        yield Wire(*ends)
