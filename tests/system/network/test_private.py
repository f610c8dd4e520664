"""The private network: an address of its own from the first moment, names, both directions, and no way to cheat."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import urllib.request
from contextlib import ExitStack

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.servers import WhoAsks, serving
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


@pytest.fixture(scope="module")
def three(gateway, alice, bob):
    """web and db of alice's, web of bob's."""
    with leaving_nothing(gateway), ExitStack() as machines:
        yield [
            machines.enter_context(running(gateway, user, name)) for user, name in ((alice, "web"), (alice, "db"), (bob, "web"))
        ]


def serve_80(machine, text):
    """A web server on port 80; it listens when this returns."""
    machine.sh(f"""perl -MIO::Socket::IP -e '
        $server = IO::Socket::IP->new(LocalHost => "::", LocalPort => 80, Listen => 5, V6Only => 0) or die $@;
        exit if fork;
        while ($client = $server->accept) {{
            while (<$client>) {{ last if /^\\r/ }}
            print $client "HTTP/1.0 200 OK\\r\\n\\r\\n{text}\\n";
            close $client;
        }}'""")


def fetch(address):
    host = f"[{address}]" if ":" in address else address
    with urllib.request.urlopen(f"http://{host}/", timeout=PATIENCE) as reply:
        return reply.read().decode().strip()


def test_addresses_are_the_machines_own(gateway, three):
    infos = [machine.info() for machine in three]
    assert len({info["address"] for info in infos}) == 3
    for machine, info in zip(three, infos, strict=True):
        found = machine.sh("ip -br address show eth0").split()
        assert f"{info['address']}/24" in found
        assert f"{info['address6']}/64" in found
        assert machine.sh("cat /sys/class/net/eth0/address") == info["mac"]
        assert machine.sh("ip route show default").split()[2] == gateway.address


def test_a_server_on_port_80_is_reached_from_the_host(three):
    web = three[0]
    serve_80(web, "alices")
    info = web.info()
    assert fetch(info["address"]) == "alices"
    assert fetch(info["address6"]) == "alices"


def test_a_machine_reaches_the_host_as_itself(gateway, three):
    """No NAT: the host sees the machine's own address."""
    for address, family in ((gateway.address, socket.AF_INET), (gateway.address6, socket.AF_INET6)):
        listener = socket.create_server((address, 0), family=family)
        port = listener.getsockname()[1]
        with serving(listener, WhoAsks):
            host = f"[{address}]" if ":" in address else address
            seen = three[0].sh(f"curl -s --max-time 10 http://{host}:{port}/")
            assert seen in three[0].sh("hostname -I").split()


def test_the_host_can_ping_it(three):
    for address in (three[1].info()["address"], three[1].info()["address6"]):
        done = subprocess.run(["ping", "-c1", "-W5", address], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_machines_find_each_other_by_name(gateway, three, alice, bob):
    web, db, others = three
    for asker, name, meant in (
        (db, f"web.{alice.name}.{gateway.domain}", web),
        (db, "web", web),
        (web, "db", db),
        (web, f"web.{bob.name}.{gateway.domain}", others),
    ):
        found = asker.sh(f"getent ahostsv4 {name} | cut -d' ' -f1 | sort -u")
        assert found == meant.info()["address"], f"{name} asked by {asker.user.name}/{asker.name}"
    for name in (f"web.{bob.name}", f"wpad.{gateway.domain}", f"web.{gateway.domain}"):
        assert web.exec("getent", "hosts", name).returncode != 0, f"{name} is no machine's name"
    assert db.sh("getent ahostsv6 web | cut -d' ' -f1 | sort -u") == web.info()["address6"]
    assert db.exec("getent", "hosts", f"nobody.{gateway.domain}").returncode != 0


def test_machines_talk_to_each_other(three, alice):
    serve_80(three[2], "bobs")
    address = three[2].info()["address"]
    assert three[1].sh(f"curl -s --max-time 10 http://{address}/") == "bobs"


def test_names_of_removed_machines_are_forgotten(gateway, three, alice):
    with running(gateway, alice, "brief"):
        assert three[1].sh("getent hosts brief")
    assert three[1].exec("getent", "hosts", f"brief.{alice.name}.{gateway.domain}").returncode != 0


def test_no_other_address_can_be_used(gateway, three, alice):
    """Spoofing is dropped at the machine's own port."""
    db_address = three[1].info()["address"]
    stranger = db_address.rpartition(".")[0] + ".250"
    with running(gateway, alice, "liar") as liar:
        assert liar.exec("ping", "-c1", "-W5", db_address).returncode == 0
        liar.sh(f"ip address add {stranger}/24 dev eth0")
        assert liar.exec("ping", "-c2", "-W1", "-i0.2", "-I", stranger, db_address).returncode != 0
        liar.sh(f"ip address del {stranger}/24 dev eth0; ping -c1 -W5 {db_address}")
        liar.sh("ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:01; ip link set eth0 up")
        assert liar.exec("ping", "-c2", "-W1", "-i0.2", db_address).returncode != 0


def test_addresses_stay_over_restarts(gateway, alice):
    with running(gateway, alice, "again") as machine:
        before = machine.info()
        machine.gaol("down", check=True)
        machine.up()
        after = machine.info()
    assert [before[key] for key in ("mac", "address", "address6")] == [after[key] for key in ("mac", "address", "address6")]


def test_large_transfers_both_ways(three, gateway):
    """Offloads must be right: a checksum that nobody computes shows only in real traffic."""
    web = three[0]
    listener = socket.create_server((gateway.address, 0))
    port = listener.getsockname()[1]
    size = 30_000_000
    with listener, gateway.popen(
        "exec", "web", "--", "python3", "-c",
        f"import socket, hashlib; s = socket.create_connection(('{gateway.address}', {port})); d = bytes(range(256)) * {size // 256}\n"
        "s.sendall(d); s.shutdown(1); h = hashlib.sha256()\nwhile b := s.recv(65536): h.update(b)\nprint(h.hexdigest())",
        user=web.user, stdout=subprocess.PIPE,
    ) as inside:  # fmt: skip
        listener.settimeout(PATIENCE)
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        with connection:
            data = bytearray()
            while part := connection.recv(1 << 20):
                data += part
            connection.sendall(data)
        assert data == bytes(range(256)) * (size // 256)
        assert inside.communicate(timeout=PATIENCE)[0].decode().strip() == hashlib.sha256(data).hexdigest()
