"""The host routes for machines and for nobody else: four namespaces, of which this test's own is the host.

machine -- bridge [host] -- lan
                         -- office
"""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gaoler.errors import Failed
from gaoler.host.net import links, nft, routing
from gaoler.host.net.routing import Routes
from system.support.host import network, nothing_left_over  # noqa: F401 - fixtures
from system.support.namespaces import Namespace, ip, namespace

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.usefixtures("network")]

ROUTES = Routes("gt", "bridge", "10.231.0.0/24", "10.231.0.1", "fd00:231::/64", "fd00:231::1")
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FORWARD6 = Path("/proc/sys/net/ipv6/conf/all/forwarding")
_ASK = """
import socket, sys
family, address, port, source = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(family, socket.SOCK_STREAM) as asking:
    asking.settimeout(float(sys.argv[4]))
    asking.bind(("", source))
    asking.connect((address, port))
    print(asking.makefile().read())
"""


@dataclass
class Places:
    machine: Namespace
    lan: Namespace
    office: Namespace


@pytest.fixture
def places():
    """The routes of each lead here; the host forwards nothing yet."""
    FORWARD.write_text("0")
    FORWARD6.write_text("0")
    with ExitStack() as undo:
        links.ensure_bridge("bridge", ["10.231.0.1/24", "fd00:231::1/64"])
        made = []
        for name, net in (("machine", "10.231.0"), ("lan", "10.232.0"), ("office", "10.233.0")):
            place = undo.enter_context(namespace(f"gt{os.getpid()}{name}"))
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", place.name)
            if name == "machine":
                ip("link", "set", name, "master", "bridge", "up")
            else:
                ip("address", "add", f"{net}.1/24", "dev", name)
                ip("address", "add", f"fd00:{net[3:6]}::1/64", "dev", name, "nodad")
                ip("link", "set", name, "up")
            for setting in ("all", "eth0"):
                place.run("sysctl", "-qw", f"net.ipv6.conf.{setting}.accept_dad=0")
            place.run("ip", "address", "add", f"{net}.2/24", "dev", "eth0")
            place.run("ip", "address", "add", f"fd00:{net[3:6]}::2/64", "dev", "eth0", "nodad")
            for link in ("lo", "eth0"):
                place.run("ip", "link", "set", link, "up")
            place.run("ip", "route", "add", "default", "via", f"{net}.1")
            place.run("ip", "route", "add", "default", "via", f"fd00:{net[3:6]}::1")
            made.append(place)
        yield Places(*made)
        routing.disable("gt", "bridge")


def asks(one: Namespace, other: Namespace, address: str, *, source: int = 0, patience: float = 10) -> str:
    """Who `other` sees when `one` connects to it, and from which port; empty when it can't."""
    with other.listening(address, 0) as listener:
        # The connection waits in the queue, answered by the kernel: what is asked is whether it can be made.
        port = listener.getsockname()[1]
        listener.setblocking(False)
        words = (
            "/usr/bin/python3",
            "-c",
            _ASK.replace("    print(asking.makefile().read())\n", ""),
            address,
            port,
            source,
            patience,
        )
        if one.run(*words, check=False).returncode:
            return ""
        connection, peer = listener.accept()
        connection.close()
        return f"{peer[0]} {peer[1]}"


def test_machines_reach_out_and_are_reached_and_nobody_else_is_forwarded(places):
    assert not asks(places.lan, places.office, "10.233.0.2", patience=1)
    routing.enable(replace(ROUTES, masquerade=False))
    assert asks(places.machine, places.lan, "10.232.0.2").startswith("10.231.0.2 ")
    assert asks(places.lan, places.machine, "10.231.0.2").startswith("10.232.0.2 ")
    assert asks(places.lan, places.machine, "fd00:231::2").startswith("fd00:232::2 ")
    assert not asks(places.lan, places.office, "10.233.0.2", patience=1), "the host did not forward that before"
    assert not asks(places.lan, places.office, "fd00:233::2", patience=1)


def test_without_a_way_out_machines_are_told_so_at_once(places):
    routing.enable(replace(ROUTES, masquerade=None))
    words = "import socket, sys; print(socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET).connect_ex((sys.argv[1], 80)))"
    for nowhere in ("203.0.113.1", "2001:db8::1"):
        answer = int(places.machine.run("/usr/bin/python3", "-c", words, nowhere).stdout)
        assert answer in (errno.ENETUNREACH, errno.EHOSTUNREACH), f"{nowhere}: {os.strerror(answer)}"


def test_by_default_machines_go_out_as_the_host_and_are_reached_as_themselves(places):
    routing.enable(replace(ROUTES, masquerade=None))
    assert asks(places.machine, places.lan, "10.232.0.2").startswith("10.232.0.1 ")
    assert asks(places.machine, places.lan, "fd00:232::2").startswith("fd00:232::1 ")
    assert asks(places.lan, places.machine, "10.231.0.2").startswith("10.232.0.2 ")


def test_behind_the_hosts_address_they_are_reached_by_nobody_else(places):
    routing.enable(replace(ROUTES, masquerade=True))
    assert asks(places.machine, places.lan, "10.232.0.2").startswith("10.232.0.1 ")
    assert not asks(places.lan, places.machine, "10.231.0.2", patience=1)
    assert not asks(places.lan, places.machine, "fd00:231::2", patience=1)
    with places.machine.listening("10.231.0.2", 0) as listener:
        socket.create_connection(listener.getsockname(), timeout=5).close()  # from the host itself


@pytest.mark.parametrize("masquerade", [None, True])
@pytest.mark.parametrize("address", ["10.232.0.2", "fd00:232::2"])
def test_no_machine_has_a_privileged_port_of_the_hosts(places, masquerade, address):
    """By which an NFS server would take it for root of this host (exports(5), secure)."""
    routing.enable(replace(ROUTES, masquerade=masquerade))
    for source in (700, 1023):
        seen = asks(places.machine, places.lan, address, source=source)
        assert seen
        assert int(seen.split()[1]) >= 1024, seen


def test_what_the_host_forwarded_before_it_still_does(places):
    FORWARD.write_text("1")
    routing.enable(ROUTES)
    assert asks(places.lan, places.office, "10.233.0.2")
    routing.disable("gt", "bridge")
    assert FORWARD.read_text().strip() == "1"


def test_forwarding_is_as_it_was_when_the_last_daemon_goes(places):
    routing.enable(ROUTES)
    routing.enable(ROUTES)  # restarted
    links.ensure_bridge("second", ["10.234.0.1/24"])
    routing.enable(Routes("gu", "second", "10.234.0.0/24", "10.234.0.1"))
    routing.disable("gt", "bridge")
    assert FORWARD.read_text().strip() == "1", "the second one needs it"
    routing.disable("gu", "second")
    assert FORWARD.read_text().strip() == "0"
    assert FORWARD6.read_text().strip() == "0"
    tables = {entry["table"]["name"] for entry in nft.listed("list tables", "") if "table" in entry}
    assert not {"gt_nat", "gu_nat", "gaoler_host"} & tables
    assert not list(Path("/run").glob(f"gaoler-forwarding-{os.stat('/proc/thread-self/ns/net').st_ino}.json"))


def test_two_daemons_forward_each_for_its_own(places):
    links.ensure_bridge("second", ["10.234.0.1/24"])
    routing.enable(Routes("gu", "second", "10.234.0.0/24", "10.234.0.1"))
    routing.enable(ROUTES)
    assert asks(places.lan, places.machine, "10.231.0.2")
    routing.disable("gu", "second")
    assert asks(places.lan, places.machine, "10.231.0.2")


def test_who_comes_with_rules_of_forwarding_decides_about_the_rest(places):
    routing.enable(ROUTES)
    routing.give_way("bridge")
    assert not asks(places.lan, places.office, "10.233.0.2", patience=1)
    nft.transact("add table ip docker\nadd chain ip docker out { type nat hook postrouting priority srcnat; }\n", "Docker comes")
    routing.give_way("bridge")
    assert asks(places.lan, places.office, "10.233.0.2")


def test_isolated_machines_do_not_meet_at_the_gateway(places):
    """A route by way of the host leads around an isolated port."""
    ip("link", "add", "peer", "type", "veth", "peer", "name", "eth1", "netns", places.office.name)
    ip("link", "set", "peer", "master", "bridge", "up")
    for port in ("machine", "peer"):
        ip("link", "set", "dev", port, "type", "bridge_slave", "isolated", "on")
    places.office.run("ip", "address", "add", "10.231.0.3/32", "dev", "eth1")
    places.office.run("ip", "link", "set", "eth1", "up")
    for place, link, other in ((places.machine, "eth0", "10.231.0.3"), (places.office, "eth1", "10.231.0.2")):
        place.run("ip", "route", "replace", "10.231.0.1", "dev", link)
        place.run("ip", "route", "replace", other, "via", "10.231.0.1", "dev", link, "onlink")
    routing.enable(replace(ROUTES, isolate=False))
    assert asks(places.machine, places.office, "10.231.0.3"), "the way around is there"
    routing.enable(replace(ROUTES, isolate=True))
    assert not asks(places.machine, places.office, "10.231.0.3", patience=1)
    assert asks(places.machine, places.lan, "10.232.0.2")


def test_frames_within_other_bridges_of_the_host_pass(places):
    """With br_netfilter, which Docker loads, they pass by the rules of forwarding, too."""
    ip("link", "add", "other", "type", "bridge")
    ip("link", "set", "other", "up")
    for place, address in ((places.lan, "10.235.0.1"), (places.office, "10.235.0.2")):
        ip("link", "add", f"o{address[-1]}", "type", "veth", "peer", "name", "eth2", "netns", place.name)
        ip("link", "set", f"o{address[-1]}", "master", "other", "up")
        place.run("ip", "address", "add", f"{address}/24", "dev", "eth2")
        place.run("ip", "link", "set", "eth2", "up")
    hook = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if hook.exists():
        hook.write_text("1")
    routing.enable(ROUTES)
    assert asks(places.lan, places.office, "10.235.0.2")


def test_the_resolver_answers_machines_alone(places):
    routing.enable(ROUTES)
    with socket.create_server(("10.231.0.1", 53)):
        ask = ("/usr/bin/python3", "-c", "import socket; socket.create_connection(('10.231.0.1', 53), 1)")
        assert places.machine.run(*ask, check=False).returncode == 0
        assert places.lan.run(*ask, check=False).returncode != 0
        socket.create_connection(("10.231.0.1", 53), 5).close()


def test_an_interface_that_is_not_there_is_named(places):
    with pytest.raises(Failed, match="no interface eth9") as refused:
        routing.enable(replace(ROUTES, proxy_arp="eth9"))
    assert "network.proxy_arp" in refused.value.why


def test_what_was_set_is_kept_over_a_daemon_that_was_killed(places):
    routing.enable(ROUTES)
    state = Path(f"/run/gaoler-forwarding-{os.stat('/proc/thread-self/ns/net').st_ino}.json")
    assert json.loads(state.read_text())["ipv4/ip_forward"] == "0"
    assert state.stat().st_mode & 0o777 == 0o600
