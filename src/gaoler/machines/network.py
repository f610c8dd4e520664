"""How machines get onto a network: a bridge of the LAN, a bridge of gaoler's own, or none."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from gaoler.configuration import model
from gaoler.errors import Failed
from gaoler.host.net import checksums, classifying, dhcp_clients, links, routing
from gaoler.host.net.dnsmasq import Dnsmasq
from gaoler.host.net.guard import Guard
from gaoler.host.net.guard_rules import interface_identifier, own_ip6
from gaoler.host.net.tap import open_tap
from gaoler.machines.cables import Cables
from gaoler.machines.earlier_networks import EarlierNetworks, Made
from gaoler.machines.record import Record

_log = logging.getLogger(__name__)

FIRST_ADDRESS = 16
"""The private subnet's first addresses are the host's and for what an administrator adds by hand."""


@dataclass(frozen=True)
class Addresses:
    mac: str
    address: str | None
    address6: str | None


class Network:
    """The network of one daemon."""

    def __init__(self, settings: model.Network, prefix: str, state: Path) -> None:
        self.settings = settings
        self.prefix = prefix
        self.guard = Guard(prefix)
        self._clients: dhcp_clients.Clients | None = None
        self._cables = Cables()
        self._state = state
        servers = Dnsmasq(state, settings.bridge, settings.subnet, settings.subnet6, settings.domain)
        self._dnsmasq = servers if settings.mode == "private" else None
        own = Made(settings.bridge, tuple(self._own_addresses()), settings.proxy_arp) if settings.mode == "private" else None
        self._earlier = EarlierNetworks(state, prefix, own, servers.stop)

    @property
    def gateway(self) -> str:
        return str(self.settings.subnet[1])

    @property
    def gateway6(self) -> str:
        return str(self.settings.subnet6[1]) if self.settings.subnet6 else ""

    def prepare(self) -> None:
        """Make what the mode needs; what is there already stays. Raises GaolerError."""
        settings = self.settings
        self._earlier.note()
        self.leave_earlier()
        if settings.mode == "none":
            return
        if settings.mode == "bridge" and not links.link_exists(settings.bridge):
            raise Failed(
                f"there is no bridge {settings.bridge}",
                "network mode bridge plugs machines in a bridge that is on the LAN",
                'network.mode = "private", in /etc/gaoler/gaoler.toml',
            )
        if self._dnsmasq:
            self._prepare_private(self._dnsmasq)
        self.guard.install()
        if settings.mode == "bridge" and not self._clients:
            try:
                classifying.check()
                self._clients = dhcp_clients.Clients()
            except (Failed, OSError) as error:
                _log.warning("machines may ask for addresses under any client identifier, at a rate: %s", error)

    def leave_earlier(self, running: Collection[str] | None = None) -> None:
        """Take down what another configuration made, once no machine that runs needs it; `running` are their addresses."""
        self._earlier.leave(running)

    def _own_addresses(self) -> list[str]:
        """The host's on the private bridge."""
        settings = self.settings
        ip6 = [f"{self.gateway6}/{settings.subnet6.prefixlen}"] if settings.subnet6 else []
        return [f"{self.gateway}/{settings.subnet.prefixlen}", *ip6]

    def _prepare_private(self, dnsmasq: Dnsmasq) -> None:
        settings = self.settings
        links.ensure_bridge(settings.bridge, self._own_addresses())
        try:
            checksums.hold(settings.bridge)  # between machines nobody writes sums; what leaves the bridge comes in here
        except (Failed, OSError) as error:
            _log.warning("machines may have checksums written onto addresses where a device makes none: %s", error)
        routing.enable(self._routes)
        dnsmasq.start()

    @property
    def _routes(self) -> routing.Routes:
        settings = self.settings
        return routing.Routes(
            prefix=self.prefix,
            bridge=settings.bridge,
            subnet=str(settings.subnet),
            gateway=self.gateway,
            subnet6=str(settings.subnet6) if settings.subnet6 else None,
            gateway6=self.gateway6 or None,
            masquerade=False if settings.masquerade is None and settings.proxy_arp else settings.masquerade,
            proxy_arp=settings.proxy_arp,
            isolate=settings.isolate,
        )

    def give_way(self) -> None:
        """Leave to others what this host forwards beside machines' packets, once others have rules for it."""
        if self.settings.mode == "private":
            routing.give_way(self.settings.bridge)

    def restore_rules(self) -> None:
        """Make anew what nftables had of ours, but for what belongs to single machines: their ports are closed then."""
        self.guard.install()
        if self.settings.mode == "private":
            routing.enable(self._routes)

    def close(self) -> None:
        """Take down what the network consists of; for when gaoler leaves the host."""
        if self._dnsmasq:
            self._dnsmasq.stop()
            routing.disable(self.prefix, self.settings.bridge)
            links.delete_link(self.settings.bridge)
        self._earlier.forget()
        if self.settings.mode != "none":
            self.guard.uninstall()

    @property
    def capacity(self) -> int | None:
        """How many machines have an address here; None where the LAN decides."""
        if self.settings.mode != "private":
            return None
        return self.settings.subnet.num_addresses - 1 - FIRST_ADDRESS  # the last one is for broadcasts

    def addresses(self, identity: str, slot: int) -> Addresses:
        """The addresses of a new machine at that slot, below `capacity`. In bridge mode the LAN gives them."""
        digest = sha256(identity.encode()).digest()
        mac = "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])  # 02: locally administered, unicast
        if self.settings.mode != "private":
            return Addresses(mac, None, None)
        number = FIRST_ADDRESS + slot
        subnet, subnet6 = self.settings.subnet, self.settings.subnet6
        return Addresses(mac, str(subnet[number]), str(subnet6[number]) if subnet6 else None)

    def tap_name(self, record: Record) -> str:
        """15 characters at most (IFNAMSIZ)."""
        return f"{self.prefix}{record.id}"[:15]

    def open(self, record: Record) -> int | None:
        """A TAP for the machine, down and in no bridge; the descriptor is the caller's.

        None for a machine without a network.
        """
        if not record.network or self.settings.mode == "none":
            return None
        tap = self.tap_name(record)
        self._cables.wait_gone(tap)
        descriptor = open_tap(tap)
        self._cables.hold(tap, descriptor)
        return descriptor

    def plug(self, record: Record) -> None:
        """Plug the machine's TAP into the bridge, guarded before it is up."""
        if not record.network or self.settings.mode == "none":
            return
        self.protect(record)
        self._hold_client(record)
        links.attach(self.tap_name(record), self.settings.bridge, mac=record.mac, isolated=self.settings.isolate)
        self.name(record)

    def _hold_client(self, record: Record) -> None:
        """Have the machine be itself to the LAN's DHCP servers."""
        tap = self.tap_name(record)
        if self._clients:
            try:
                self._clients.hold(tap)
            except OSError as error:
                raise Failed(f"can't guard {tap}", error.strerror or str(error), "gaol doctor") from error

    def name(self, record: Record) -> None:
        """Let the machine's name lead to its address, where that is ours to give."""
        if self._dnsmasq and record.address:
            self._dnsmasq.set_host(self._host_name(record), record.mac, record.address, record.address6)

    def listen(self) -> int | None:
        """A TAP that hears what the bridge sends to everybody, and from which nothing gets in; None without a network.

        The descriptor is the caller's; the TAP is gone after `listen_no_more`.
        """
        if self.settings.mode == "none":
            return None
        name = f"{self.prefix}-ear"
        self._cables.wait_gone(name)
        tap = open_tap(name)
        try:
            links.attach(name, self.settings.bridge, isolated=self.settings.isolate)
        except BaseException:
            os.close(tap)
            raise
        self._cables.hold(name, tap)
        return tap

    def listen_no_more(self) -> None:
        self._cables.let_go(f"{self.prefix}-ear")

    def away(self, record: Record) -> None:
        """Have the host ask the bridge when it is to reach the machine next."""
        for address in self._known(record):
            links.forget_neighbour(self.settings.bridge, address)

    def back(self, record: Record) -> None:
        """Let go what the host has for the machine: it is there."""
        for address in self._known(record):
            links.tell_neighbour(self.settings.bridge, address, record.mac)

    def _known(self, record: Record) -> list[str]:
        there = record.network and self.settings.mode == "private"
        return [address for address in (record.address, record.address6) if address and there]

    def protect(self, record: Record, leases: Sequence[str] = ()) -> None:
        """Let the machine's port send what is the machine's to send; `leases` are what DHCP gave it already."""
        own = [address for address in (record.address, record.address6) if address]
        self.guard.add(self.tap_name(record), record.mac, own or None, leases)

    def gave(self, record: Record, address: str) -> bool:
        """Whether an address that the machine says it has was given to it, leased by DHCP, or follows from its MAC."""
        if not record.network or self.settings.mode == "none":
            return False
        told = ip_address(address)
        if isinstance(told, IPv4Address):
            known = self.guard.leases(self.tap_name(record)) if self.settings.mode == "bridge" else [record.address]
            return address in known
        given = [IPv6Address(record.address6)] if record.address6 else []
        made = int(told) & (1 << 64) - 1 == interface_identifier(record.mac) and not told.is_link_local
        return int(told) in own_ip6(record.mac, given) if self.settings.mode == "private" else made

    def unplug(self, record: Record) -> None:
        """Forget the machine, whose process has ended; its TAP is gone a moment later. Does nothing where there is nothing."""
        if not record.network or self.settings.mode == "none":
            return
        self._cables.let_go(self.tap_name(record))
        self.guard.remove(self.tap_name(record))
        if self._clients:
            self._clients.forget(self.tap_name(record))
        if self._dnsmasq:
            self._dnsmasq.remove_host(self._host_name(record), record.mac)

    def _host_name(self, record: Record) -> str:
        """NAME.OWNER: two users may each have a machine `web`."""
        return f"{record.name}.{owner_label(record.owner.name, record.owner.uid)}"

    def for_startenv(self, record: Record) -> dict[str, str]:
        """What startenv needs to know (docs/explanation/design.md, Inside)."""
        if not record.network or self.settings.mode == "none":
            return {"NETWORK": "none"}
        packages = {"PACKAGES": self.settings.packages} if self.settings.packages else {}
        if self.settings.mode == "bridge":
            return {"NETWORK": "dhcp", "MAC": record.mac, **packages}
        owner = self._host_name(record).partition(".")[2]
        values = {
            "NETWORK": "static",
            "MAC": record.mac,
            "ADDRESS": f"{record.address}/{self.settings.subnet.prefixlen}",
            "GATEWAY": self.gateway,
            "DNS": self.gateway,
            "DOMAIN": f"{owner}.{self.settings.domain}",
            **packages,
        }
        if self.settings.subnet6 and record.address6:
            values["ADDRESS6"] = f"{record.address6}/{self.settings.subnet6.prefixlen}"
            values["GATEWAY6"] = self.gateway6
        return values


def owner_label(login: str, uid: int) -> str:
    """A login's own label of DNS. One that can't be, or looks like others', gets its uid added: no two share one."""
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", login) and "--" not in login:
        return login
    plain = re.sub("[^a-z0-9]+", "-", login.lower()).strip("-")[:40].strip("-")
    return f"{plain or 'user'}--{uid}"
