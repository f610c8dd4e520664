"""What of this host's networks a subnet would collide with, before it is given to a bridge."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from gaoler.host.command import run

Subnet = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Route:
    """Of the main table; `gateway` is empty for a network that an interface is on itself."""

    to: Subnet
    interface: str
    gateway: str = ""

    def __str__(self) -> str:
        return f"{self.to} {f'via {self.gateway} ' if self.gateway else ''}on {self.interface}"


def routes(version: Literal[4, 6]) -> list[Route]:
    """All but default routes. Raises Failed."""
    found = json.loads(run(["ip", f"-{version}", "-json", "route", "show", "table", "main"]).stdout or "[]")
    return [
        Route(ip_network(one["dst"], strict=False), hop["dev"], hop.get("gateway") or hop.get("via", {}).get("host", ""))
        for one in found
        for hop in one.get("nexthops", [one])  # several, where traffic is shared out
        if one["dst"] != "default" and "dev" in hop
    ]


def hidden(subnet: Subnet, there: Collection[Route], own: Collection[str]) -> list[Route]:
    """Routes that can't be beside that subnet: networks that interfaces are on, but the `own` ones, and routes into it."""
    return [one for one in _others(subnet, there, own) if not one.gateway or _within(one.to, subnet)]


def shadowed(subnet: Subnet, there: Collection[Route], own: Collection[str]) -> list[Route]:
    """Wider routes by way of a gateway: the subnet is a hole in them, which may be what is meant."""
    return [one for one in _others(subnet, there, own) if one.gateway and not _within(one.to, subnet)]


def _others(subnet: Subnet, there: Collection[Route], own: Collection[str]) -> list[Route]:
    same = (one for one in there if one.to.version == subnet.version and one.interface not in own)
    return [one for one in same if one.to.overlaps(subnet) and not one.to.is_link_local]


def _within(inner: Subnet, outer: Subnet) -> bool:
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen
