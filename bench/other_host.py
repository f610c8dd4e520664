"""Another host on the machines' network: a network namespace with a port in their bridge, and a process in it that measures."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import time
from ipaddress import IPv4Interface
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

import contest

_CLONE_NEWNET = 0x40000000
_AGAIN = 0.002
"""Seconds between attempts to connect: what a time to the first answer is too long by, at most."""


def bridge_of(address: str) -> tuple[str, IPv4Interface]:
    """The host's interface towards a machine's address, and the host's own address there."""
    route = json.loads(_ip("-json", "route", "get", address))[0]
    shown = json.loads(_ip("-json", "-4", "address", "show", "dev", route["dev"]))[0]
    own = next(entry for entry in shown["addr_info"] if entry["local"] == route["prefsrc"])
    return str(route["dev"]), IPv4Interface(f"{own['local']}/{own['prefixlen']}")


class OtherHost:
    """Has the network's second address, which gaoler gives to nobody. Gone with its process."""

    def __init__(self, bridge: str, host: IPv4Interface) -> None:
        self.address = str(host.ip + 1)
        self._pipe, theirs = Pipe()
        self._process = Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        self._pipe.recv()
        pid = str(self._process.pid)
        port = f"bench{pid}"[:15]
        _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _ip("link", "set", port, "master", bridge, "up")
        # Its first ARP requests come before the machine is there; the next is to come in 10 ms, not in a second.
        settings = ["sysctl", "-q", "-w", "net.ipv4.neigh.eth0.retrans_time_ms=10"]
        self.popen(settings).wait()
        for words in (
            ["address", "add", f"{self.address}/{host.network.prefixlen}", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
        ):
            self.popen(["ip", *words]).wait()

    def popen(self, argv: list[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
        """A program on that host."""
        return subprocess.Popen(["nsenter", f"--net=/proc/{self._process.pid}/ns/net", *argv], stdout=stdout)

    def first_bytes(self, address: str, port: int, patience: float = 30.0) -> float:
        """When (time.perf_counter) a server first said something."""
        self._pipe.send((address, port, patience))
        moment = self._pipe.recv()
        if moment is None:
            contest.give_up(f"nothing answers at {address}:{port} within {patience:g} s", "gaol log")
        return float(moment)


def _work(pipe: Connection) -> None:
    if ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        os._exit(1)
    pipe.send("ready")
    while True:
        address, port, patience = pipe.recv()
        pipe.send(_first_bytes(address, port, time.perf_counter() + patience))


def _first_bytes(address: str, port: int, deadline: float) -> float | None:
    while time.perf_counter() < deadline:
        try:
            with socket.create_connection((address, port), timeout=0.2) as connection:
                if connection.recv(64):
                    return time.perf_counter()
        except OSError:
            time.sleep(_AGAIN)
    return None


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
