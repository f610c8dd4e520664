"""A LAN in namespaces of its own: a router with DHCP and router advertisements, a neighbour, and a bridge of the host's.

    neighbour --veth-- [router: bridge, dnsmasq] --veth-- host bridge -- machines

The host itself has no address there: what reaches a machine comes from the LAN.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.support import leftovers
from system.support.claims import claim
from system.support.namespaces import Namespace, ip, namespace
from system.support.waiting import until


@dataclass
class Lan:
    bridge: str
    """On the host: what machines are plugged in."""
    router: Namespace
    neighbour: Namespace
    network: str
    """Of IPv4 addresses: what is before the last dot."""
    network6: str
    """Of IPv6 addresses: what is before "::"."""
    state: Path
    dhcp: subprocess.Popen[bytes] | None = None

    @property
    def gateway(self) -> str:
        return f"{self.network}.1"

    @property
    def neighbour_address(self) -> str:
        return f"{self.network}.2"

    @property
    def neighbour_address6(self) -> str:
        return f"{self.network6}::2"

    def start_dhcp(self) -> None:
        """Leases from .100 on, and router advertisements."""
        words = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--interface=br0",
            f"--pid-file={self.state}/pid", f"--dhcp-leasefile={self.state}/leases", "--dhcp-authoritative", "--no-ping",
            f"--dhcp-range={self.network}.100,{self.network}.150,1h", "--enable-ra", "--user=root",
            f"--dhcp-range={self.network6}::,ra-only,64,1h", f"--log-facility={self.state}/log",
        ]  # fmt: skip
        self.dhcp = subprocess.Popen(self.router.command(*words))
        until(lambda: (self.state / "pid").exists(), "the LAN's DHCP server is up")

    def stop_dhcp(self) -> None:
        assert self.dhcp is not None
        self.dhcp.send_signal(signal.SIGTERM)
        self.dhcp.wait()
        (self.state / "pid").unlink(missing_ok=True)
        self.dhcp = None

    def leases(self) -> dict[str, str]:
        """Addresses by MAC, from the server's own file."""
        lines = (self.state / "leases").read_text().splitlines()
        return {line.split()[1]: line.split()[2] for line in lines if "." in line.split()[2:3][0]}


@contextmanager
def lan(state: Path) -> Iterator[Lan]:
    with ExitStack() as undo:
        claimed = claim()
        undo.callback(claimed.release)
        # Not as a gateway's TAPs are called, which a filter drops the frames of.
        name = f"n{claimed.number:02x}"
        _clear(name)
        bridge = f"{name}br"
        router = undo.enter_context(namespace(f"{name}router"))
        neighbour = undo.enter_context(namespace(f"{name}neighbour"))
        ip("link", "add", bridge, "type", "bridge")
        undo.callback(ip, "link", "delete", bridge)
        # The host takes no part in the LAN: it must not make itself an address from its router's advertisements.
        for setting in (f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6",):
            Path(setting).write_text("1")
        ip("link", "add", f"{name}up", "type", "veth", "peer", "name", "host", "netns", router.name)
        Path(f"/proc/sys/net/ipv6/conf/{name}up/disable_ipv6").write_text("1")
        ip("link", "set", f"{name}up", "master", bridge, "up")
        ip("link", "set", bridge, "up")
        made = Lan(bridge, router, neighbour, f"10.98.{claimed.number}", f"fd67:616f:7500:{claimed.number:x}", state)
        router.run("ip", "link", "add", "br0", "type", "bridge")
        router.run("ip", "link", "add", "side", "type", "veth", "peer", "name", "eth0", "netns", neighbour.name)
        for port in ("host", "side"):
            router.run("ip", "link", "set", port, "master", "br0", "up")
        _address(router, "br0", f"{made.gateway}/24", f"{made.network6}::1/64")
        _address(neighbour, "eth0", f"{made.neighbour_address}/24", f"{made.neighbour_address6}/64")
        made.start_dhcp()
        undo.callback(lambda: made.stop_dhcp() if made.dhcp else None)
        yield made


def _address(where: Namespace, link: str, address: str, address6: str) -> None:
    where.run("ip", "address", "add", address, "dev", link)
    where.run("ip", "address", "add", address6, "dev", link, "nodad")
    where.run("ip", "link", "set", link, "up")


def _clear(name: str) -> None:
    """Of a run that was killed."""
    leftovers.clear(name)
    for path in Path("/run/netns").glob(f"{name}*"):
        for pid in subprocess.run(["ip", "netns", "pids", path.name], capture_output=True, text=True, check=False).stdout.split():
            subprocess.run(["kill", "-9", pid], check=False)
        ip("netns", "delete", path.name)
