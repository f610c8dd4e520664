"""On the LAN: addresses from its DHCP server and its router's advertisements, servers that neighbours reach, no NAT."""

from __future__ import annotations

import re

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import Machine, running
from system.support.servers import Proxy, WhoAsks, serving
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


@pytest.fixture(scope="module")
def web(lan_gateway, visitor):
    with leaving_nothing(lan_gateway), running(lan_gateway, visitor, "web") as machine:
        yield machine


@pytest.fixture(scope="module")
def nginx(lan, web):
    """nginx, installed inside by the distribution's own means."""
    listener = lan.router.listening(lan.gateway, 0)
    with serving(listener, Proxy):
        port = listener.getsockname()[1]
        web.sh(f"echo 'Acquire::http::Proxy \"http://{lan.gateway}:{port}\";' > /etc/apt/apt.conf.d/90proxy")
        web.sh(
            "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends nginx-light",
            timeout=240,
        )
    web.sh("echo gaol > /var/www/html/index.html")
    return web


def test_the_address_is_a_lease_of_the_lans(lan, web):
    info = web.info()
    assert info["state"] == "ready"
    assert lan.leases()[info["mac"]] == info["address"]
    assert f"{info['address']}/24" in web.sh("ip -br address show eth0").split()
    assert web.sh("ip route show default").split()[2] == lan.gateway


def test_ipv6_comes_from_the_router(lan, web):
    until(lambda: web.info()["address6"], "the machine has an IPv6 address")
    address6 = web.info()["address6"]
    assert address6.startswith(f"{lan.network6}:")
    lan.neighbour.run("ping", "-6", "-c1", "-W5", address6)
    web.sh(f"ping -6 -c1 -W5 {lan.neighbour_address6}")


def test_a_neighbour_opens_port_80(lan, nginx):
    until(lambda: nginx.info()["address6"], "the machine has an IPv6 address")
    info = nginx.info()
    assert lan.neighbour.run("curl", "-s", "--max-time", "10", f"http://{info['address']}/").stdout == "gaol\n"
    assert lan.neighbour.run("curl", "-s", "--max-time", "10", f"http://[{info['address6']}]/").stdout == "gaol\n"


def test_a_neighbour_opens_port_22(lan, web):
    read = f"exec 3<> /dev/tcp/{web.address}/22; read -r -t 10 line <&3; echo $line"
    assert re.match(r"SSH-2\.0-OpenSSH", lan.neighbour.run("bash", "-c", read).stdout)


def test_ssh_from_the_lan(lan, web, visitor, tmp_path):
    """With what `gaol ssh-config --direct` tells, as from another host of the user's."""
    config = tmp_path / "config"
    config.write_text(web.gaol("ssh-config", "--direct", check=True).stdout.replace("~", str(visitor.home)))
    done = lan.neighbour.run("ssh", "-F", config, "web", "id", "-un", check=False)
    assert done.stdout == f"{visitor.name}\n", done.stderr


def test_a_neighbour_sees_the_machines_own_address(lan, web):
    """No NAT, for either family."""
    until(lambda: web.info()["address6"], "the machine has an IPv6 address")
    for address in (lan.neighbour_address, lan.neighbour_address6):
        listener = lan.neighbour.listening(address, 0)
        port = listener.getsockname()[1]
        with serving(listener, WhoAsks):
            host = f"[{address}]" if ":" in address else address
            seen = web.sh(f"curl -s --max-time 10 http://{host}:{port}/")
        assert seen in web.sh("hostname -I").split()


def test_two_machines_on_the_lan(lan, lan_gateway, visitor, web):
    with running(lan_gateway, visitor, "other") as other:
        assert other.address != web.address
        other.sh(f"ping -c1 -W5 {web.address}")


def test_run_waits_for_its_address(lan, lan_gateway, visitor):
    done = lan_gateway.gaol("run", "--", "hostname", "-I", user=visitor)
    assert done.stdout.startswith(f"{lan.network}."), done


def test_the_same_address_after_a_restart(web):
    before = web.info()
    web.gaol("down", check=True)
    web.up()
    after = web.info()
    assert (after["mac"], after["address"]) == (before["mac"], before["address"])


def test_without_a_dhcp_server_it_is_up_all_the_same(lan, lan_gateway, visitor, web):
    """`up` says what is missing when its patience ends, and succeeds; the lease that comes later makes it ready."""
    lan_gateway.restart(machines={"deadline": 2})
    lan.stop_dhcp()
    machine = Machine(lan_gateway, "early", visitor)
    try:
        done = machine.gaol("up")
        assert done.returncode == 0
        assert f"something is missing: address (no DHCP answer on {lan.bridge})" in done.stderr
        info = machine.info()
        assert (info["state"], info["missing"], info["address"]) == ("running", ["address"], None)
        assert machine.sh("echo usable") == "usable"
        assert machine.gaol("ssh", "true").returncode == 0, "through the daemon, where there is no address"
        lan.start_dhcp()
        machine.gaol("wait", "--for", "ready", "--timeout", "60s", check=True, timeout=70)
        assert lan.leases()[info["mac"]] == machine.address
        assert machine.info()["missing"] == []
    finally:
        machine.remove()
        if lan.dhcp is None:
            lan.start_dhcp()
        lan_gateway.restart()


def test_no_address_but_the_leased_one(lan, web):
    """Spoofing is dropped at the machine's own port, before the LAN sees it."""
    stranger = f"{lan.network}.77"
    try:
        web.sh(f"ip address add {stranger}/24 dev eth0")
        assert web.exec("ping", "-c2", "-W1", "-i0.2", "-I", stranger, lan.neighbour_address).returncode != 0
        assert web.exec("ping", "-c1", "-W5", "-I", web.address, lan.neighbour_address).returncode == 0
    finally:
        web.sh(f"ip address del {stranger}/24 dev eth0")


def test_down_gives_no_reason_to_wait(web):
    assert web.gaol("down", timeout=PATIENCE).returncode == 0
    web.up()
