"""DHCP, DNS and router advertisements on gaoler's own bridge, by dnsmasq.

dnsmasq outlives the daemon and is adopted by the next one. A machine is one file in each of two directories that
dnsmasq watches, so that coming is noticed without a signal; only going needs one (SIGHUP), since dnsmasq forgets no
fixed address by itself.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from gaoler import files
from gaoler.errors import Failed, NotFound
from gaoler.host.command import run
from gaoler.host.process import Process, open_process

_LEASE = "12h"
_USER, _GROUP = "dnsmasq", 65534
"""As Debian's package makes them: the group has no people in it."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Dnsmasq:
    """The servers of one bridge. `state` is a directory of their own, below one that dnsmasq's user can enter."""

    def __init__(self, state: Path, bridge: str, subnet: IPv4Network, subnet6: IPv6Network | None, domain: str) -> None:
        """The host has the first address of `subnet` and of `subnet6` (a /64)."""
        self._state = state
        self._text = configuration(state, bridge, subnet, subnet6, domain)
        self._domain = domain

    @property
    def _config(self) -> Path:
        return self._state / "dnsmasq.conf"

    def start(self) -> None:
        """Start it, or adopt one that runs with these very settings. Raises Failed with its own words."""
        for name in ("dhcp", "dns"):
            (self._state / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.process() is not None:
            if self._config.read_text() == self._text:
                return
            self.stop()
        # What lies here is the list of everybody's machines: for dnsmasq, which is not root when it reads, and nobody else.
        os.chown(self._state, 0, _GROUP)
        self._state.chmod(0o710)
        self._config.write_text(self._text)
        run(["dnsmasq", f"--conf-file={self._config}"])

    def stop(self) -> None:
        """End it; nothing when it does not run."""
        process = self.process()
        if process is not None:
            process.kill(signal.SIGTERM)
            if not process.wait(2):
                process.kill(signal.SIGKILL)
                process.wait(2)
        with suppress(FileNotFoundError):
            (self._state / "pid").unlink()

    def process(self) -> Process | None:
        """The running dnsmasq that was started with our configuration, whoever started it."""
        try:
            process = open_process(int((self._state / "pid").read_text()))
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ValueError, ProcessLookupError, NotFound):
            return None
        ours = f"--conf-file={self._config}".encode() in words
        return process if ours and process.alive() else None

    def set_host(self, name: str, mac: str, address: str, address6: str | None = None) -> None:
        """Give a machine its addresses by DHCP and its name in DNS, `name` with the domain behind it."""
        dhcp, dns = host_entries(name, self._domain, mac, address, address6)
        files.replace(self._state / "dhcp" / name, dhcp.encode(), mode=0o644)
        files.replace(self._state / "dns" / name, dns.encode(), mode=0o644)

    def remove_host(self, name: str, mac: str) -> None:
        """Forget a machine; nothing when it is not known, or has a namesake by now: a login may have had two owners in turn."""
        if not _NAME.fullmatch(name):
            raise Failed(f"can't remove host {name!r}", "it is not a host name", "gaol ls")
        removed = False
        with suppress(FileNotFoundError):
            if not (self._state / "dhcp" / name).read_text().startswith(f"{mac},"):
                return
        for directory in ("dhcp", "dns"):
            with suppress(FileNotFoundError):
                (self._state / directory / name).unlink()
                removed = True
        process = self.process() if removed else None
        if process is not None:
            process.kill(signal.SIGHUP)


def configuration(state: Path, bridge: str, subnet: IPv4Network, subnet6: IPv6Network | None, domain: str) -> str:
    """dnsmasq.conf (dnsmasq(8)); only fixed addresses are handed out."""
    host = subnet[1]
    lines = [
        f"pid-file={state}/pid",
        f"dhcp-leasefile={state}/leases",
        f"user={_USER}",
        "group=nogroup",
        f"interface={bridge}",
        "except-interface=lo",
        "bind-interfaces",
        "no-hosts",
        f"domain={domain}",
        f"local=/{domain}/",
        "domain-needed",
        "bogus-priv",
        f"hostsdir={state}/dns",
        f"dhcp-hostsdir={state}/dhcp",
        f"dhcp-range={subnet.network_address},static,{subnet.netmask},{_LEASE}",
        f"dhcp-option=option:router,{host}",
        f"dhcp-option=option:dns-server,{host}",
        "dhcp-authoritative",
        "dhcp-rapid-commit",
        "no-ping",  # addresses are ours to give: nobody else has one
        "dhcp-ignore-names",  # names are ours to give, too
        "quiet-dhcp",
        "quiet-dhcp6",
        "quiet-ra",
    ]
    if subnet6 is not None:
        lines += ["enable-ra", f"dhcp-range={subnet6.network_address},ra-stateless,{subnet6.prefixlen},{_LEASE}"]
    return "\n".join([*lines, ""])


def host_entries(name: str, domain: str, mac: str, address: str, address6: str | None) -> tuple[str, str]:
    """A machine's line for DHCP and its lines for DNS."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise Failed(f"can't name a machine {name!r}", "it is not a host name", "gaol ls")
    if not _MAC.fullmatch(mac):
        raise Failed(f"can't give {name} an address", f"{mac!r} is not a MAC address", "gaol ls")
    addresses = [ip_address(text) for text in (address, address6) if text]
    # Backwards the first name counts: it says no more than the address, or anybody could list everybody's machines.
    plain = [f"{one} {re.sub('[.:]', '-', str(one))}.{domain}" for one in addresses]
    named = [f"{one} {name}.{domain}" for one in addresses]
    return f"{mac},{address}\n", "".join(f"{line}\n" for line in (*plain, *named))
