"""The guard's rules as text. That they hold is tests/system/walls/test_guard.py's to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaoler.errors import Failed
from gaoler.host.net.frames import table
from gaoler.host.net.guard_rules import interface_identifier, port

MAC = "02:00:5e:10:20:30"


def rules(*addresses: str) -> list[str]:
    lines = port("t", "t-1", MAC, addresses or None).splitlines()
    start = "add rule bridge t_guard port_t_1 "
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def test_who_sends_is_checked_before_anything_is_let_through():
    found = rules("10.0.0.2", "fd00::2")
    assert found[0] == "@ll,48,48 != 0x02005e102030 drop"
    assert found[-1] == "drop"
    assert not any(rule.endswith("accept") for rule in found if "@ll,96,16" not in rule), "every accept names a type"


def test_the_threat_model_shows_the_table():
    shown = (Path(__file__).parents[4] / "docs/explanation/threat-model.md").read_text()
    assert table() in shown, "put in what gaoler.host.frames.table() says"


def test_the_interface_identifier_is_that_of_rfc_4291():
    assert interface_identifier("34:56:78:9a:bc:de") == 0x3656_78FF_FE9A_BCDE


def test_with_no_addresses_at_all_only_dhcp_goes_out():
    assert not any("goto send_ip4" in line for line in port("t", "t-1", MAC, []).splitlines())
    assert "@ll,96,16 0x0800 @nh,96,32 @leases_t_1 goto send_ip4" in rules()


@pytest.mark.parametrize(
    ("tap", "mac", "address"),
    [
        ("t 1", MAC, "10.0.0.2"),
        ('t";', MAC, "10.0.0.2"),
        ("t-1", "02:00", "10.0.0.2"),
        ("t-1", f"{MAC} accept", "10.0.0.2"),
    ],
)
def test_nothing_but_names_and_addresses_gets_into_the_rules(tap, mac, address):
    with pytest.raises(Failed):
        port("t", tap, mac, [address])


def test_addresses_are_parsed():
    with pytest.raises(ValueError, match="does not appear"):
        port("t", "t-1", MAC, ["10.0.0.2; accept"])
