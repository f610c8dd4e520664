"""TAPs, bridges and the private network's servers, each in a network namespace of the test's own."""

from __future__ import annotations

import os
import select
import socket
import struct
from contextlib import ExitStack
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from gaoler.errors import Failed, NotFound
from gaoler.host.net import classifying, links
from gaoler.host.net.dnsmasq import Dnsmasq
from gaoler.host.net.tap import VNET_HEADER, open_tap
from system.support.host import network, nothing_left_over  # noqa: F401 - fixtures

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.usefixtures("network")]

MAC = "02:00:00:00:00:01"


def test_a_tap_is_gone_with_its_descriptor():
    fd = open_tap("gt1", mac="fe:00:00:00:00:01")
    assert links.link_exists("gt1")
    assert not os.get_inheritable(fd)
    with pytest.raises(Failed, match="in use"):
        open_tap("gt1")
    os.close(fd)
    assert not links.link_exists("gt1")


@pytest.mark.parametrize("name", ["", "a/b", "x" * 16])
def test_names_that_no_interface_has(name):
    with pytest.raises(Failed):
        open_tap(name)


def test_a_bridge_is_made_once_and_keeps_its_mac():
    for _ in range(2):
        links.ensure_bridge("bridge", ["10.231.0.1/24", "fd00:231::1/64"])
    mac = Path("/sys/class/net/bridge/address")
    fd = open_tap("gt1", mac="02:00:00:00:00:00")
    links.attach("gt1", "bridge", isolated=True)
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("fd00:231::1", 0))
    assert links.list_links("gt") == ["gt1"]
    os.close(fd)
    links.delete_link("bridge")
    links.delete_link("bridge")
    assert links.list_links("bridge") == []
    assert not mac.exists()


def test_what_is_not_there():
    with pytest.raises(NotFound):
        links.attach("gt1", "bridge")


def test_isolated_ports_do_not_hear_each_other():
    links.ensure_bridge("bridge", [])
    with ExitStack() as undo:
        ends = {}
        for name, isolated in (("gt1", True), ("gt2", True), ("open", False)):
            ends[name] = open_tap(name)
            undo.callback(os.close, ends[name])
            links.attach(name, "bridge", isolated=isolated)
        frame = bytes.fromhex("ffffffffffff" + MAC.replace(":", "")) + b"\x88\xb5" + bytes(46)
        os.write(ends["gt1"], bytes(VNET_HEADER) + frame)
        assert received(ends["open"]) == [frame]
        os.write(ends["open"], bytes(VNET_HEADER) + frame)
        assert received(ends["gt2"]) == [frame]  # the open one's alone


def received(tap: int) -> list[bytes]:
    """What came so far, of the test's own protocol, one frame at least."""
    assert select.select([tap], [], [], 5)[0]
    found = []
    while select.select([tap], [], [], 0)[0]:
        found.append(os.read(tap, 2048)[VNET_HEADER:])
    return [frame for frame in found if frame[12:14] == b"\x88\xb5"]


class Resolver:
    """Asks dnsmasq, again and again until it says what is expected: it reads its files when it comes to it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, name: str, kind: int) -> bytes | None:
        answer = self.answer(name, kind)
        size = 4 if kind == 1 else 16
        return answer[-size:] if struct.unpack_from(">6H", answer)[3] else None

    def answer(self, name: str, kind: int) -> bytes:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(query, (self.address, 53))
            return asking.recv(512)

    def becomes(self, name: str, kind: int, expected: bytes | None) -> bool:
        return any(self.ask(name, kind) == expected for _ in range(2000))


@pytest.fixture
def servers(tmp_path):
    for parent in [tmp_path, *tmp_path.parents]:  # dnsmasq is not root when it reads
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    links.ensure_bridge("bridge", ["10.231.0.1/24", "fd00:231::1/64"])
    made = Dnsmasq(tmp_path, "bridge", IPv4Network("10.231.0.0/24"), IPv6Network("fd00:231::/64"), "gaol")
    made.start()
    yield made
    made.stop()
    assert made.process() is None


def test_a_machine_has_a_name_while_it_is_there(servers):
    resolver = Resolver("10.231.0.1")
    assert resolver.ask("web.alice.gaol", 1) is None
    servers.set_host("web.alice", MAC, "10.231.0.16", "fd00:231::10")
    assert resolver.becomes("web.alice.gaol", 1, bytes([10, 231, 0, 16]))
    assert resolver.becomes("web.alice.gaol", 28, socket.inet_pton(socket.AF_INET6, "fd00:231::10"))
    servers.remove_host("web.alice", MAC)
    servers.remove_host("web.alice", MAC)
    assert resolver.becomes("web.alice.gaol", 1, None)


def test_backwards_an_address_tells_nobodys_machine(servers):
    """Or anybody could list everybody's by asking for each address."""
    resolver = Resolver("10.231.0.1")
    servers.set_host("web.alice", MAC, "10.231.0.16", "fd00:231::10")
    assert resolver.becomes("web.alice.gaol", 1, bytes([10, 231, 0, 16]))
    said = resolver.answer("16.0.231.10.in-addr.arpa", 12)
    assert b"10-231-0-16" in said
    assert b"alice" not in said


def test_a_machine_has_no_name_but_with_its_owner_and_the_domain(servers):
    """One called wpad, or like a host of the LAN, is found by nobody who means another."""
    resolver = Resolver("10.231.0.1")
    servers.set_host("wpad.alice", MAC, "10.231.0.16")
    assert resolver.becomes("wpad.alice.gaol", 1, bytes([10, 231, 0, 16]))
    for name in ("wpad", "wpad.gaol", "wpad.alice"):
        assert resolver.ask(name, 1) is None, name


def test_the_list_of_machines_is_not_for_strangers(servers, tmp_path):
    servers.set_host("web.alice", MAC, "10.231.0.16")
    assert tmp_path.stat().st_mode & 0o007 == 0
    assert tmp_path.stat().st_uid == 0


def test_the_next_daemon_adopts_it_unless_the_settings_changed(servers, tmp_path):
    before = servers.process()
    same = Dnsmasq(tmp_path, "bridge", IPv4Network("10.231.0.0/24"), IPv6Network("fd00:231::/64"), "gaol")
    same.start()
    assert same.process() == before
    other = Dnsmasq(tmp_path, "bridge", IPv4Network("10.231.0.0/24"), IPv6Network("fd00:231::/64"), "jail")
    other.start()
    assert other.process() not in (before, None)
    assert not before.alive()


def test_somebody_elses_process_is_not_adopted(tmp_path):
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    made = Dnsmasq(tmp_path, "bridge", IPv4Network("10.231.0.0/24"), None, "gaol")
    assert made.process() is None
    made.stop()


def test_what_dnsmasq_says_is_in_the_error(tmp_path):
    with pytest.raises(Failed, match=r"unknown interface|bridge"):
        Dnsmasq(tmp_path, "bridge", IPv4Network("10.231.0.0/24"), None, "gaol").start()


def test_a_lease_is_the_fixed_address(servers):
    """DISCOVER, OFFER with what set_host said, from a machine on a TAP."""
    fd = open_tap("gt1")
    try:
        links.attach("gt1", "bridge")
        servers.set_host("web.alice", MAC, "10.231.0.16")
        mac = bytes.fromhex(MAC.replace(":", ""))
        boot = struct.pack(">4BI2H16x", 1, 1, 6, 0, 99, 0, 0x8000) + mac + bytes(202) + b"\x63\x82\x53\x63\x35\x01\x01\xff"
        datagram = struct.pack(">4H", 68, 67, 8 + len(boot), 0) + boot
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
        total = sum(struct.unpack(">10H", head))
        head = head[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
        frame = b"\xff" * 6 + mac + b"\x08\x00" + head + datagram
        offered = None
        for _ in range(50):
            os.write(fd, bytes(VNET_HEADER) + frame)
            while offered is None and select.select([fd], [], [], 0.1)[0]:
                answer = os.read(fd, 2048)[VNET_HEADER:]
                if answer[12:14] == b"\x08\x00" and answer[34:36] == b"\x00\x43":
                    offered = answer[58:62]
            if offered:
                break
        assert offered == bytes([10, 231, 0, 16])
    finally:
        os.close(fd)


def test_whether_programs_may_look_at_frames_is_found_out_where_nobody_has_an_interface():
    links.ensure_bridge("gt0", [])
    before, there = len(os.listdir("/proc/self/fd")), os.stat("/proc/thread-self/ns/net").st_ino
    classifying.check()
    assert (len(os.listdir("/proc/self/fd")), os.stat("/proc/thread-self/ns/net").st_ino) == (before, there)
    assert links.list_links() == ["gt0", "lo"]
