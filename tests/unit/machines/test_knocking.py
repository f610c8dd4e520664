"""Who wakes machines that sleep: what is heard on the bridge, and how much of it is listened to."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from gaoler.machines import knocking
from gaoler.machines.knocking import Knocking, wanted
from gaoler.machines.machine import Machine
from unit.machines.test_record import WEB

MAC = bytes.fromhex(WEB.mac.replace(":", ""))
OTHER, EVERYBODY = bytes.fromhex("020000000001"), b"\xff" * 6
ADDRESS, ADDRESS6 = ip_address("10.1.2.3").packed, ip_address("fd00::3").packed


def arp(target: bytes, operation: int = 1) -> bytes:
    head = b"\0\1\x08\0\6\4" + operation.to_bytes(2, "big")
    return EVERYBODY + OTHER + b"\x08\x06" + head + OTHER + ip_address("10.1.2.9").packed + bytes(6) + target


def solicitation(target: bytes, kind: int = 135) -> bytes:
    ip = b"\x60\0\0\0\0\x20\x3a\xff" + ip_address("fd00::9").packed + ip_address("ff02::1:ff00:3").packed
    return b"\x33\x33\xff\0\0\3" + OTHER + b"\x86\xdd" + ip + bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + target


def test_who_is_wanted():
    assert wanted(arp(ADDRESS)) == ADDRESS
    assert wanted(solicitation(ADDRESS6)) == ADDRESS6
    assert wanted(MAC + OTHER + b"\x08\0" + bytes(40)) == MAC
    assert wanted(solicitation(ADDRESS6, kind=136)) == b"\x33\x33\xff\0\0\3"


@pytest.mark.parametrize("frame", [b"", b"\0" * 13, arp(b"")[:20], solicitation(b"")[:50]])
def test_what_ends_early_is_for_nobody(frame):
    assert wanted(frame) not in (ADDRESS, ADDRESS6, MAC)


class Bridge:
    """A network whose ear is one end of a pair of sockets."""

    def __init__(self):
        self.far, self.listening, self.told = None, 0, []

    def listen(self):
        self.far, near = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listening += 1
        return near.detach()

    def listen_no_more(self):
        self.listening -= 1

    def away(self, record):
        self.told.append(("away", record.name))

    def back(self, record):
        self.told.append(("back", record.name))

    def send(self, frame):
        self.far.send(bytes(10) + frame)


@pytest.fixture(name="bridge")
def bridge_fixture():
    return Bridge()


@pytest.fixture(name="monitor")
def monitor_fixture():
    """What is watched, and what is to be done later."""
    seen = SimpleNamespace(watched={}, later=[])
    seen.watch = lambda descriptor, callback: seen.watched.update({descriptor: callback})
    seen.forget = lambda descriptor: seen.watched.pop(descriptor, None)
    seen.after = lambda seconds, callback: seen.later.append((seconds, callback))
    return seen


@pytest.fixture(name="knocks")
def knocks_fixture(bridge, monitor, monkeypatch):
    monkeypatch.setattr(knocking.background, "begin", lambda work, _: work())
    found = Knocking(bridge, monitor)
    found.woken = []
    found.wake = lambda machine: found.woken.append(machine.record.name) or True
    return found


def hear(monitor):
    for callback in list(monitor.watched.values()):
        callback()


def test_a_question_for_a_sleeper_wakes_it_and_none_other(bridge, monitor, knocks):
    sleeper = Machine(WEB.with_(network=True))
    knocks.attend(sleeper, ("10.1.2.3", None))
    bridge.send(arp(ip_address("10.1.2.4").packed))
    hear(monitor)
    assert knocks.woken == []
    bridge.send(arp(ADDRESS))
    hear(monitor)
    assert knocks.woken == [WEB.name]
    assert bridge.told == [("away", WEB.name), ("back", WEB.name)]
    knocks.leave(sleeper)
    assert (bridge.listening, monitor.watched) == (0, {})


def test_a_flood_is_listened_to_at_a_bounded_rate(bridge, monitor, knocks, monkeypatch):
    knocks.attend(Machine(WEB.with_(network=True)), ("10.1.2.3", None))
    frames = 0
    read = os.read

    def count(descriptor, size):
        nonlocal frames
        frames += 1
        return arp(ip_address("10.1.2.4").packed) if frames < 5000 else read(descriptor, size)

    monkeypatch.setattr(knocking.os, "read", count)
    hear(monitor)
    assert frames < 600
    assert monitor.watched == {}
    ((rest, again),) = monitor.later
    assert 0 < rest < 1
    again()
    assert len(monitor.watched) == 1


def test_one_that_can_not_be_woken_is_not_tried_again_at_once(bridge, monitor, knocks):
    def fail(machine):
        knocks.woken.append(machine.record.name)
        raise OSError("no memory")

    knocks.wake = fail
    knocks.attend(Machine(WEB.with_(network=True)), ("10.1.2.3", None))
    for _ in range(3):
        bridge.send(arp(ADDRESS))
    hear(monitor)
    assert knocks.woken == [WEB.name]


def test_one_whose_waking_hangs_is_waited_for_by_one_thread(bridge, monitor, knocks, monkeypatch):
    begun = []
    monkeypatch.setattr(knocking.background, "begin", lambda work, _: begun.append(work))
    knocks.attend(Machine(WEB.with_(network=True)), ("10.1.2.3", None))
    monkeypatch.setattr(knocking, "_AGAIN", 0.0)
    for _ in range(2):
        bridge.send(arp(ADDRESS))
    hear(monitor)
    assert len(begun) == 1
    begun[0]()
    bridge.send(arp(ADDRESS))
    hear(monitor)
    assert len(begun) == 2
