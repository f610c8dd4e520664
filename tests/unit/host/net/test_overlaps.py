"""What a subnet collides with."""

import json
from ipaddress import ip_network
from types import SimpleNamespace

import pytest

from gaoler.host.net import overlaps
from gaoler.host.net.overlaps import Route, hidden, routes, shadowed

LAN = Route(ip_network("192.168.1.0/24"), "eth0")
OWN = Route(ip_network("10.83.0.0/20"), "gaoler0")
OFFICE = Route(ip_network("10.0.0.0/8"), "tun0", "10.9.9.1")
PRINTERS = Route(ip_network("10.84.1.0/24"), "eth0", "192.168.1.9")
LAN6 = Route(ip_network("fd00:1::/64"), "eth0")
LOCAL6 = Route(ip_network("fe80::/64"), "eth0")
THERE = [LAN, OWN, OFFICE, PRINTERS, LAN6, LOCAL6]


@pytest.mark.parametrize(
    ("subnet", "own", "found"),
    [
        ("10.83.0.0/20", ["gaoler0"], []),
        ("10.83.0.0/20", ["other0"], [OWN]),
        ("192.168.1.128/27", ["gaoler0"], [LAN]),
        ("192.168.1.128/27", ["gaoler0", "eth0"], []),
        ("192.168.0.0/16", ["gaoler0"], [LAN]),
        ("10.84.0.0/16", [], [PRINTERS]),
        ("10.84.1.0/24", [], [PRINTERS]),
        ("10.84.1.16/28", [], []),
        ("fd00:1::/64", [], [LAN6]),
        ("fd00:2::/64", [], []),
        ("fe80::/64", [], []),
    ],
)
def test_what_a_subnet_can_not_be_beside(subnet, own, found):
    assert hidden(ip_network(subnet), THERE, own) == found


def test_a_part_of_what_lies_behind_a_router_is_told():
    assert shadowed(ip_network("10.84.0.0/16"), THERE, []) == [OFFICE]
    assert shadowed(ip_network("192.168.1.128/27"), THERE, []) == []
    assert str(OFFICE) == "10.0.0.0/8 via 10.9.9.1 on tun0"
    assert str(LAN) == "192.168.1.0/24 on eth0"


def test_routes_of_several_ways_and_of_the_other_familys_gateway(monkeypatch):
    shared = {"dst": "10.85.0.0/16", "nexthops": [{"gateway": "192.168.1.8", "dev": "eth0"}, {"gateway": "192.168.1.9", "dev": "eth1"}]}
    other = {"dst": "10.86.0.0/16", "dev": "eth0", "via": {"family": "inet6", "host": "fe80::1"}}
    told = [{"dst": "default", "dev": "eth0"}, {"dst": "10.9.0.0/16", "type": "unreachable"}, shared, other]
    monkeypatch.setattr(overlaps, "run", lambda _: SimpleNamespace(stdout=json.dumps(told)))
    assert routes(4) == [
        Route(ip_network("10.85.0.0/16"), "eth0", "192.168.1.8"), Route(ip_network("10.85.0.0/16"), "eth1", "192.168.1.9"),
        Route(ip_network("10.86.0.0/16"), "eth0", "fe80::1"),
    ]  # fmt: skip
