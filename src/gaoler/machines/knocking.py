"""Whoever wants to reach a machine that sleeps wakes it.

While there are such machines a TAP of ours is plugged into the bridge. There arrives what the bridge sends to everybody:
questions for an address (ARP, neighbour solicitations), and frames to a MAC whose port is gone. What is for a machine that
sleeps has it go on. Then the host is told its MAC, so that what waits for the answer is on its way at once; others on the
bridge ask again within a second. Nothing is ever sent from there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from gaoler import background
from gaoler.errors import GaolerError
from gaoler.host.net.tap import VNET_HEADER
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.network import Network
from gaoler.machines.pace import Pace

_FRAMES = (512, 128)
"""Frames that are looked at: at once, and a second from then on. What is more has to ask again."""
_AGAIN = 5.0
"""Seconds until a machine that could not be woken is woken again."""
_UNDER_WAY = float("inf")
"""When it is woken right now, which may never end: one thread waits for that, and not a further one for each knock."""
_ARP, _IP6, _ICMP6, _SOLICITATION = b"\x08\x06", b"\x86\xdd", 58, 135
_log = logging.getLogger(__name__)


class Knocking:
    """Of one bridge. Every method may be called from any thread."""

    def __init__(self, network: Network, monitor: Monitor) -> None:
        self._network = network
        self._monitor = monitor
        self._lock = threading.Lock()
        self._sleepers: dict[bytes, Machine] = {}
        """By each of their addresses."""
        self._tap: int | None = None
        self._pace = Pace(*_FRAMES)
        self._tried: dict[str, float] = {}
        self.wake: Callable[[Machine], bool] = lambda _: False

    def attend(self, machine: Machine, addresses: Iterable[str | None]) -> None:
        """Listen for whoever wants to reach a machine that sleeps from now on, under its MAC or those addresses."""
        if not machine.record.network:
            return
        with self._lock:
            self._sleepers[bytes.fromhex(machine.record.mac.replace(":", ""))] = machine
            for address in filter(None, addresses):
                self._sleepers[ip_address(address).packed] = machine
            try:
                self._network.away(machine.record)
                if self._tap is None and (tap := self._network.listen()) is not None:
                    os.set_blocking(tap, False)
                    self._tap = tap
                    self._monitor.watch(tap, self._hear)
            except (GaolerError, OSError) as error:
                _log.warning("nobody on the network can wake machines: %s", error)

    def leave(self, machine: Machine) -> None:
        """It doesn't sleep any more."""
        with self._lock:
            for address in [key for key, one in self._sleepers.items() if one is machine]:
                del self._sleepers[address]
            if not self._sleepers and self._tap is not None:
                self._monitor.forget(self._tap)
                os.close(self._tap)
                self._network.listen_no_more()
                self._tap = None

    def _hear(self) -> None:
        """In the monitor's thread."""
        with self._lock:
            tap, rest = self._tap, 0.0
            while tap is not None and not rest:
                try:
                    frame = os.read(tap, 2048)
                except BlockingIOError:
                    return
                rest = self._pace.take(1)
                if (machine := self._sleepers.get(wanted(frame[VNET_HEADER:]))) is not None:
                    self._knocked(machine)
            if tap is not None:
                self._monitor.forget(tap)
                self._monitor.after(rest, self._again)

    def _again(self) -> None:
        with self._lock:
            if self._tap is not None:
                self._monitor.watch(self._tap, self._hear)

    def _knocked(self, machine: Machine) -> None:
        now = time.monotonic()
        if now - self._tried.get(machine.record.id, -_AGAIN) >= _AGAIN:
            self._tried[machine.record.id] = _UNDER_WAY
            background.begin(lambda: self._wake(machine), "knock")

    def _wake(self, machine: Machine) -> None:
        try:
            if self.wake(machine):
                self._network.back(machine.record)
        except (GaolerError, OSError) as error:
            _log.warning("%s is wanted, and can't be woken: %s", machine.record.label, error)
        else:
            self._tried.pop(machine.record.id, None)
        finally:
            if machine.record.id in self._tried:
                self._tried[machine.record.id] = time.monotonic()


def wanted(frame: bytes) -> bytes:
    """Whom a frame asks for: an IP address, or the MAC that it is for."""
    kind, packet = frame[12:14], frame[14:]
    if kind == _ARP:
        return packet[24:28]
    if kind == _IP6 and len(packet) >= 64 and packet[6] == _ICMP6 and packet[40] == _SOLICITATION:
        return packet[48:64]
    return frame[:6]
