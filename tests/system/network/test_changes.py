"""The network is configured otherwise: machines that exist have it at their next start, and nothing of the former one is left."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import pytest

from system.conftest import opened
from system.support import users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


@pytest.fixture(scope="module")
def changing(lan):
    yield from opened(Gateway(components()))


@pytest.fixture(scope="module")
def machine(changing):
    with ExitStack() as undo:
        user = undo.enter_context(users.account(f"{changing.prefix}mover"))
        yield undo.enter_context(running(changing, user, "web"))


def again(gateway: Gateway, machine: Machine, **network: object) -> dict:
    """Stop the machine, change the network, start it."""
    machine.gaol("down", check=True)
    gateway.restart(network=network)
    said = gateway.gaol("up", machine.name, user=machine.user, check=True).stdout
    info = until(lambda: (found := machine.info())["state"] == "ready" and found, "it is ready")
    assert info["address"] in said, "up tells the address that it has now"
    return info


def pings(machine: Machine, address: str) -> bool:
    return machine.exec("ping", "-c1", "-W5", address).returncode == 0


def on_host(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False).stdout


def test_another_subnet(changing, machine):
    before = machine.info()["address"]
    number = changing.number
    info = again(changing, machine, subnet=f"10.97.{number}.0/24", subnet6=f"fd67:616f:7a00:{number:x}::/64")
    assert info["address"].startswith(f"10.97.{number}.")
    assert info["address6"].startswith("fd67:616f:7a00:")
    assert pings(machine, f"10.97.{number}.1")
    assert changing.address not in on_host("-br", "address", "show", "dev", changing.bridge)
    info = again(changing, machine)
    assert info["address"] == before
    assert pings(machine, changing.address)
    assert f"10.97.{number}.1/" not in on_host("-br", "address")


def test_a_subnet_that_its_place_is_not_in(changing, machine):
    with ExitStack() as undo:
        for number in range(3):
            undo.enter_context(running(changing, machine.user, f"before{number}", "--no-network"))
        last = undo.enter_context(running(changing, machine.user, "last"))
        undo.callback(changing.restart)
        last.gaol("down", check=True)
        machine.gaol("down", check=True)
        changing.restart(network={"subnet": f"10.96.{changing.number}.0/27"})
        for one in (machine, last):
            changing.gaol("up", one.name, user=one.user, check=True)
        assert len({one.info()["address"] for one in (machine, last)}) == 2
        assert pings(last, machine.info()["address"])


def test_from_private_to_the_lan_and_back(changing, machine, lan):
    info = again(changing, machine, mode="bridge", bridge=lan.bridge)
    assert info["address"].startswith(f"{lan.network}.")
    assert pings(machine, lan.gateway), "the guard lets it use what DHCP gave"
    assert changing.bridge not in on_host("-br", "link")
    info = again(changing, machine)
    assert pings(machine, changing.address)
    assert machine.sh("ip route show default").split()[2] == changing.address


def test_other_keys_hold_from_the_next_start_on(changing, machine):
    again(changing, machine, domain="elsewhere")
    assert machine.sh("cat /etc/resolv.conf").splitlines()[0].endswith(".elsewhere")
    again(changing, machine, isolate=True, masquerade=False)
    assert pings(machine, changing.address)
    again(changing, machine)
