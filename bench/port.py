"""What the program at a machine's port costs a frame (gaoler.host.net.dhcp_clients), in processor time, beside the same without it.

sudo PYTHONPATH=src:tests .venv/bin/python bench/port.py
"""

from __future__ import annotations

import os
import subprocess
import time

from gaoler.host import libc
from gaoler.host.net import links
from gaoler.host.net.dhcp_clients import Clients
from gaoler.host.net.guard import Guard
from gaoler.host.net.tap import VNET_HEADER, open_tap
from system.support.frames import Station, udp

MAC, ADDRESS, FRAMES = "02:00:00:00:00:01", "10.231.0.16", 60_000


def each(tap: int, frame: bytes) -> float:
    """Microseconds of processor time for a frame, from the machine's end of its port through the bridge."""
    begun = time.process_time()
    for _ in range(FRAMES):
        os.write(tap, frame)
    return (time.process_time() - begun) / FRAMES * 1e6


def main() -> None:
    libc.unshare(libc.CLONE_NEWNET)
    guard = Guard("bp")
    guard.install()
    links.ensure_bridge("wire", [])
    tap = open_tap("bp1")
    links.attach("bp1", "wire", mac=MAC)
    guard.add("bp1", MAC, [ADDRESS])
    frame = bytes(VNET_HEADER) + Station(MAC, ADDRESS, "fd00::1", "10.231.0.1").ip(ADDRESS, udp(1024, 53, bytes(1400)), 17, "10.231.0.99")
    begun = time.perf_counter()
    clients = Clients()
    print(f"verified once: {(time.perf_counter() - begun) * 1e3:.0f} ms")
    for _ in range(5):
        without = each(tap, frame)
        begun = time.perf_counter()
        clients.hold("bp1")
        put = (time.perf_counter() - begun) * 1e3
        held = each(tap, frame)
        subprocess.run(["tc", "qdisc", "del", "dev", "bp1", "clsact"], check=True)
        print(f"a frame: {without:.2f} us without, {held:.2f} us with it; put there in {put:.1f} ms")


if __name__ == "__main__":
    main()
