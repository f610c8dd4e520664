"""Clones of running machines: two that go on from the same instant, each under its own name."""

from __future__ import annotations

import socket

import pytest

from system.machines.test_copies import turns
from system.support.leaks import leaving_nothing
from system.support.machine import IDENTITY, Machine, running
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]

_WITNESS = """
import os, socket, threading, time
held = os.urandom(8 << 20)
sums = [hash(held[n:n + 4096]) for n in range(0, len(held), 4096)]
server = socket.create_server(("", 7000))
def echo(connection):
    try:
        while data := connection.recv(100):
            connection.sendall(data)
    except ConnectionAbortedError:
        open("/root/aborted", "w").close()
def serve():
    while True:
        threading.Thread(target=echo, args=server.accept()[:1], daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
turn = 0
with open("/root/drawn", "a") as drawn:
    while True:
        drawn.write(os.urandom(8).hex() + "\\n")
        drawn.flush()
        if [hash(held[n:n + 4096]) for n in range(0, len(held), 4096)] != sums:
            open("/root/wrong", "a").write("memory\\n")
        turn += 1
        with open("/root/turns.new", "w") as file:
            file.write(f"{os.getpid()} {turn}")
        os.replace("/root/turns.new", "/root/turns")
        time.sleep(0.01)
"""
"""Draws random numbers all the time, looks at its own memory, and answers whoever is connected to it."""


@pytest.fixture(name="first")
def first_fixture(gateway, alice):
    with running(gateway, alice, "first") as machine:
        machine.sh(f"cat > /root/witness.py <<'END'\n{_WITNESS}\nEND\nsetsid python3 /root/witness.py > /root/said 2>&1 &")
        turns(machine, 3)
        yield machine


@pytest.fixture(name="second")
def second_fixture(gateway, alice):
    machine = Machine(gateway, "second", alice)
    yield machine
    machine.remove()


def drawn(machine: Machine) -> list[str]:
    return machine.sh("cat /root/drawn").split()


def test_a_clone_of_a_running_machine_is_another_one(gateway, alice, first, second):
    pid, before = turns(first, 0)
    with socket.create_connection((first.address, 7000), PATIENCE) as connection:
        connection.sendall(b"before")
        assert connection.recv(100) == b"before"
        assert first.gaol("clone", "second", "--running", check=True).stdout == f"second  {second.address}\n"
        assert turns(second, before)[0] == pid == turns(first, before)[0]
        connection.sendall(b"after")
        assert connection.recv(100) == b"after", "the connection stays the original's"
    until(lambda: second.sh("ls /root").split().count("aborted"), "the copy's program hears that its connection has gone")
    assert "aborted" not in first.sh("ls /root").split()
    until(lambda: second.state == "ready", "the copy's sshd is there")
    for what, command in IDENTITY.items():
        assert first.sh(command) != second.sh(command), f"both have the same {what}"
    for machine in (first, second):
        assert machine.sh("hostname -I").split()[0] == machine.address
        assert machine.sh("cat /sys/class/net/eth0/address") == machine.info()["mac"]
        assert machine.sh("getent hosts $(hostname) | awk '{print $1}'") in (
            "127.0.1.1",
            machine.address,
            machine.info()["address6"],
        )
        assert gateway.gaol("ssh", machine.name, "--", "hostname", user=alice, check=True).stdout == f"{machine.name}\n"
        with socket.create_connection((machine.address, 7000), PATIENCE) as connection:
            connection.sendall(b"there")
            assert connection.recv(100) == b"there", f"{machine.name}'s server still listens"
    one, other = drawn(first), drawn(second)
    same = [number for number in one if number in set(other)]
    assert same == one[: len(same)] == other[: len(same)], "what was drawn before is the same"
    assert len(same) < min(len(one), len(other)), "what is drawn afterwards is not"
    second.gaol("down", check=True)
    second.up()
    assert second.sh("hostname") == "second"
    assert first.state == "ready"


def test_a_machine_that_can_not_be_copied_as_it_runs_is_told_so(gateway, alice, bob, quiet):
    refused = quiet.gaol("clone", "quiet", "--running")
    assert (refused.returncode, "already" in refused.stderr) == (1, True), refused.stderr
    missing = gateway.gaol("clone", f"{alice.name}/quiet", "mine", "--running", user=bob)
    assert (missing.returncode, "no machine" in missing.stderr) == (3, True), missing.stderr
    quiet.gaol("freeze", check=True)
    frozen = quiet.gaol("clone", "second", "--running")
    assert (frozen.returncode, "frozen" in frozen.stderr, "gaol thaw quiet" in frozen.stderr) == (1, True, True), frozen.stderr
    quiet.gaol("down", check=True)
    stopped = quiet.gaol("clone", "second", "--running")
    assert (stopped.returncode, "not running" in stopped.stderr) == (1, True), stopped.stderr
    quiet.gaol("set", "mode=ptrace", check=True)
    quiet.up()
    traced = quiet.gaol("clone", "second", "--running")
    assert (traced.returncode, "ptrace" in traced.stderr) == (1, True), traced.stderr
    assert [machine["name"] for machine in gateway.json("ls", user=alice)] == ["quiet"]


def test_a_clone_asks_the_lan_for_an_address_of_its_own(lan, lan_gateway, visitor):
    with leaving_nothing(lan_gateway), running(lan_gateway, visitor, "first") as first:
        second = Machine(lan_gateway, "second", visitor)
        try:
            first.gaol("clone", "second", "--running", check=True)
            until(lambda: second.state == "ready", "the copy has an address and an sshd")
            leases, infos = lan.leases(), [first.info(), second.info()]
            assert [leases[info["mac"]] for info in infos] == [info["address"] for info in infos]
            assert infos[0]["address"] != infos[1]["address"]
            clients = [line.split() for line in second.sh("ps -o sid=,pgid= -C dhclient").splitlines()]  # it may have forked
            assert clients and all(session == group for session, group in clients), "not of the group that is hung up on when whoever asked for the copy goes"
            for info in infos:
                lan.neighbour.run("ping", "-c1", "-W5", info["address"])
        finally:
            second.remove()
