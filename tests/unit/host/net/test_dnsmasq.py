"""What dnsmasq is told."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from gaoler.errors import Failed
from gaoler.host.net.dnsmasq import configuration, host_entries

MAC = "02:00:5e:10:20:30"


def test_only_fixed_addresses_on_the_bridge_alone():
    text = configuration(Path("/s"), "br", IPv4Network("10.1.0.0/20"), IPv6Network("fd00::/64"), "gaol").splitlines()
    assert {"interface=br", "bind-interfaces", "except-interface=lo"} <= set(text)
    assert "dhcp-range=10.1.0.0,static,255.255.240.0,12h" in text
    assert "dhcp-range=fd00::,ra-stateless,64,12h" in text


def test_without_ipv6_there_are_no_router_advertisements():
    assert "enable-ra" not in configuration(Path("/s"), "br", IPv4Network("10.1.0.0/20"), None, "gaol")


def test_a_machine_has_a_fixed_lease_and_a_name():
    assert host_entries("web.alice", "gaol", MAC, "10.1.0.16", "fd00::10") == (
        f"{MAC},10.1.0.16\n",
        "10.1.0.16 10-1-0-16.gaol\nfd00::10 fd00--10.gaol\n10.1.0.16 web.alice.gaol\nfd00::10 web.alice.gaol\n",
    )


@pytest.mark.parametrize("name", ["", "..", "../x", ".x", "a b", "a\nb", "-a", "a,b", "a" * 64, "x." * 150 + "x"])
def test_a_name_is_a_host_name(name):
    with pytest.raises(Failed):
        host_entries(name, "gaol", MAC, "10.1.0.16", None)


@pytest.mark.parametrize(("mac", "address"), [("02:00", "10.1.0.16"), (MAC + ",ignore", "10.1.0.16")])
def test_a_mac_is_a_mac(mac, address):
    with pytest.raises(Failed):
        host_entries("web", "gaol", mac, address, None)
