"""A configuration is checked whole before anything stops for it; a mistake in it ends nothing, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from system.support.gateway import Gateway
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


@contextmanager
def other_network(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """An interface of the host's, and the network that it is on."""
    name, network = f"{gateway.prefix}lan", f"10.95.{gateway.number}"
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}2"], check=True)
    try:
        subprocess.run(["ip", "address", "add", f"{network}.1/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield name, f"{network}.0/24"
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


@contextmanager
def configured(gateway: Gateway, **changes: dict) -> Iterator[None]:
    gateway.configure(**changes)
    try:
        yield
    finally:
        gateway.configure()


def found(gateway: Gateway) -> dict:
    checks = json.loads(gateway.gaol("doctor", "--json").stdout)
    return next(check for check in checks if check["name"] == "configuration")


def said(gateway: Gateway, since: int) -> str:
    return gateway.log.read_bytes()[since:].decode()


def test_what_this_host_can_not_have_is_refused_with_its_line(gateway):
    with other_network(gateway) as (link, subnet):
        for changes, *words in (
            ({"subnet": subnet, "proxy_arp": "nosuchlink"}, "network.subnet", f"{subnet} overlaps {subnet} on {link}",
             "network.proxy_arp", "there is no interface nosuchlink", "3 mistakes"),
            ({"bridge": link}, "network.bridge", f"{link} is not a bridge", "2 mistakes"),
            ({"subnet": f"10.95.{gateway.number & ~1}.0/23"}, f"{subnet} on {link}"),
            ({"mode": "bridge", "bridge": link}, f"{link} is not a bridge"),
            ({"mode": "bridge", "bridge": "nosuchbridge"}, "there is no bridge nosuchbridge"),
        ):  # fmt: skip
            with configured(gateway, network=changes, store={"device": "/dev/null"}):
                done = gateway.gaoler("--check")
            assert done.returncode == 2, changes
            for word in (*words, "gaoler.toml:", "store.device", "try: "):
                assert word in done.stderr, word
        with configured(gateway, network={"subnet": f"{subnet[:-4]}128/27", "proxy_arp": link}):
            assert gateway.gaoler("--check").returncode == 0, "a part of the LAN, where the host answers for it"
    done = gateway.gaoler("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_may_be_a_mistake_is_told(gateway, alice):
    strange = {"user": {"nosuchuser": {"machines": 1}, alice.name: {"machines": 9}}, "group": {"nosuchgroup": {"machines": 1}}}
    with configured(gateway, limits=strange, machines={"base": "nosuchbase"}, base={"nosuchmaster": {"sync": "daily"}},
                    network={"domain": "other"}):  # fmt: skip
        done = gateway.gaoler("--check")
        assert done.returncode == 0, done.stderr
        assert f"user {alice.name}" not in done.stdout
        for word in (
            "no user nosuchuser",
            "no group nosuchgroup",
            '"nosuchbase"',
            '"nosuchmaster"',
            "network.domain: after a restart",
        ):
            assert word in done.stdout, word
        check = found(gateway)
        assert check["good"]
        assert "network.domain: after a restart" in check["found"]
        assert "nosuch" not in json.loads(gateway.gaol("doctor", "--json", user=alice).stdout)[0]["found"], (
            "not everybody's to know"
        )


def test_a_daemon_that_runs_takes_what_is_good_and_goes_on_with_what_it_had(gateway, quiet, alice):
    pid = gateway.process.pid
    begun = gateway.log.stat().st_size
    try:
        with configured(gateway, limits={"machines": 1, "memroy": "1G"}):
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: "did you mean memory" in said(gateway, begun), "the mistake is in the log")
            check = found(gateway)
            assert not check["good"]
            assert "limits.memroy" in check["found"]
            assert "gaoler.toml" in check["hint"]
            gateway.gaol("clone", "quiet", "second", user=alice, check=True)
        with configured(gateway, limits={"machines": 1}, metrics={"file": str(gateway.directory / "metrics.prom")}):
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: "limits.machines" in said(gateway, begun), "what changed is in the log")
            assert gateway.gaol("clone", "quiet", "third", user=alice).returncode == 5
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.gaol("clone", "quiet", "third", user=alice).returncode == 0, "and is taken back")
        assert found(gateway)["good"]
        assert (gateway.process.pid, gateway.process.poll()) == (pid, None)
        assert quiet.state == "ready"
    finally:
        gateway.restart()
        for name in ("second", "third"):
            gateway.gaol("rm", "--force", name, user=alice)


def addresses() -> str:
    return subprocess.run(["ip", "-br", "address"], capture_output=True, text=True, check=True).stdout


def test_a_daemon_that_starts_goes_on_with_the_last_good_one(gateway, web):
    """And after a mistake that could be had, and was corrected, nothing is left of it, though machines run on."""
    begun = gateway.log.stat().st_size
    try:
        with other_network(gateway) as (_, subnet):
            gateway.restart(network={"subnet": subnet})
            assert "overlaps" in said(gateway, begun)
            assert "good last" in said(gateway, begun)
            check = found(gateway)
            assert not check["good"]
            assert "overlaps" in check["found"]
            assert web.exec("ping", "-c1", "-W5", gateway.address).returncode == 0
        own, mistake = f"{gateway.address}/24", f"10.95.{gateway.number}.1/24"
        gateway.restart(network={"subnet": mistake.replace(".1/", ".0/")})
        assert found(gateway)["good"]
        assert {own, mistake} <= set(addresses().split()), "the machine that runs still has its gateway"
    finally:
        gateway.restart()
    until(lambda: mistake not in addresses().split(), "the address of the mistake has gone")
    assert web.exec("ping", "-c1", "-W5", gateway.address).returncode == 0
    assert found(gateway)["good"]
