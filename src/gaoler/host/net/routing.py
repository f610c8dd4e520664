"""The host as the router of the private network, and of nothing else: forwarding, and where asked for, NAT and proxy ARP.

Linux forwards between all networks of a host or between none. Where it did not before gaoler came, it still does not:
what neither comes from nor goes to a bridge of gaoler's is dropped, and when the last daemon of a host closes its network,
forwarding is as it was.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaoler.errors import Failed
from gaoler.host.net import links, nft

_SYSCTL = Path("/proc/sys/net")
_HOST = "gaoler_host"
"""The tables that all daemons of a host share: which bridges are theirs."""
_BIT = 1 << 28
"""Of the mark of a frame while it is forwarded within a bridge. With br_netfilter, which Docker loads, such frames come by the
rules for what is routed, too, and by nothing else can they be told from that."""
_BRIDGED = f"meta mark & {_BIT:#x}"


@dataclass(frozen=True)
class Routes:
    """What one daemon routes.

    `masquerade` None: what machines begin leaves as the host's, and who has a route to them may begin with them.
    """

    prefix: str
    bridge: str
    subnet: str
    gateway: str
    subnet6: str | None = None
    gateway6: str | None = None
    masquerade: bool | None = False
    proxy_arp: str = ""
    isolate: bool = False

    @property
    def table(self) -> str:
        return f"{self.prefix}_nat"


def enable(routes: Routes) -> None:
    """Route between the bridge and the host's other networks. Raises Failed."""
    with _before() as before:
        _set(before, "ipv4/ip_forward", "1", "network.mode private routes for machines")
        if routes.subnet6:
            _keep_accepting_routes(before)
            _set(before, "ipv6/conf/all/forwarding", "1", "where IPv6 is off, empty network.subnet6")
        if routes.proxy_arp:
            if not (_SYSCTL / "ipv4/conf" / routes.proxy_arp).is_dir():
                raise Failed(f"there is no interface {routes.proxy_arp}", "network.proxy_arp names it", "ip -br link")
            for link in (routes.bridge, routes.proxy_arp):
                _set(before, f"ipv4/conf/{link}/proxy_arp", "1", "ip -br link")
        alone = before.get("ipv4/ip_forward") == "0" and not _others_forward()
        nft.transact(_host_rules(routes.bridge, alone=alone) + _rules(routes), "can't route for machines")


def give_way(bridge: str) -> None:
    """Let the host forward what it likes once others have rules for that, as Docker brings them. To be called now and then."""
    if _listed(f"list chain inet {_HOST} forward", "rule") and _others_forward():
        nft.transact(_host_rules(bridge, alone=False), "can't leave forwarding to others")


def disable(prefix: str, bridge: str) -> None:
    """Take away what `enable` made; after the last daemon's, the host forwards as it did before."""
    with _before() as before:
        nft.transact(f"add table inet {prefix}_nat\ndelete table inet {prefix}_nat\n", "can't take the routing rules away")
        left = {one for one in _bridges() - {bridge} if links.link_exists(one)}
        if left:
            nft.transact(f'add element inet {_HOST} bridges {{ "{bridge}" }}\n'
                         f'delete element inet {_HOST} bridges {{ "{bridge}" }}\n', "can't forget a bridge")  # fmt: skip
            return
        for family in ("inet", "bridge"):
            nft.transact(f"add table {family} {_HOST}\ndelete table {family} {_HOST}\n", "can't take the routing rules away")
        for name, value in before.items():
            with suppress(OSError):  # an interface may have gone
                if (_SYSCTL / name).read_text().strip() != value:
                    (_SYSCTL / name).write_text(value)
        before.clear()


def leave(bridge: str) -> None:
    """Take away what `enable` made for a bridge that another one has taken the place of, which is routed for."""
    element = f'element inet {_HOST} bridges {{ "{bridge}" }}'
    lines = [f"add table inet {_HOST}", f"add set inet {_HOST} bridges {{ type ifname; }}", f"add {element}", f"delete {element}"]
    nft.transact("\n".join([*lines, ""]), "can't forget a bridge")


def answer_no_more(link: str) -> None:
    """Answer ARP on an interface as this host did before `enable`."""
    name = f"ipv4/conf/{link}/proxy_arp"
    with _before() as before, suppress(OSError):  # the interface may have gone
        if (value := before.pop(name, None)) is not None:
            (_SYSCTL / name).write_text(value)


def _host_rules(bridge: str, *, alone: bool) -> str:
    """`alone`: nobody but gaoler wants this host to forward. Docker, libvirt and others come with rules of their own."""
    lines = [
        f"add table inet {_HOST}",
        f"add set inet {_HOST} bridges {{ type ifname; }}",
        f'add element inet {_HOST} bridges {{ "{bridge}" }}',
        f"add chain inet {_HOST} forward {{ type filter hook forward priority filter; policy accept; }}",
        f"flush chain inet {_HOST} forward",
        f"add table bridge {_HOST}",
        f"add chain bridge {_HOST} within {{ type filter hook forward priority -10; policy accept; }}",
        f"add chain bridge {_HOST} leaving {{ type filter hook postrouting priority -310; policy accept; }}",
        f"flush chain bridge {_HOST} within",
        f"flush chain bridge {_HOST} leaving",
        f"add rule bridge {_HOST} within meta mark set meta mark or {_BIT:#x}",
        f"add rule bridge {_HOST} leaving meta mark set meta mark and {~_BIT & 0xFFFFFFFF:#x}",
    ]
    if alone:
        lines += [
            f"add rule inet {_HOST} forward iifname @bridges accept",
            f"add rule inet {_HOST} forward oifname @bridges accept",
            f"add rule inet {_HOST} forward {_BRIDGED} != 0 accept",
            f'add rule inet {_HOST} forward drop comment "this host did not forward it before gaoler"',
        ]
    return "\n".join([*lines, ""])


def _rules(routes: Routes) -> str:
    table, bridge = f"inet {routes.table}", f'"{routes.bridge}"'
    forward = []
    if routes.isolate:
        forward.append(f"{_BRIDGED} == 0 iifname {bridge} oifname {bridge} drop")
    if routes.masquerade:
        forward.append(f"iifname != {bridge} oifname {bridge} ct state != {{ established, related }} drop")
    resolver = [f'iifname != {{ {bridge}, "lo" }} ip daddr {routes.gateway} meta l4proto {{ tcp, udp }} th dport 53 drop']
    if routes.gateway6:
        resolver.append(resolver[0].replace(f"ip daddr {routes.gateway}", f"ip6 daddr {routes.gateway6}"))
    leaving = []
    for family, subnet in (("ip", routes.subnet), ("ip6", routes.subnet6)):
        if routes.masquerade is not False and subnet:
            outwards = f"{family} saddr {subnet} oifname != {bridge}"
            # Never a port below 1024, by which NFS servers and others know root of a host that they trust.
            leaving += [f"{outwards} meta l4proto {{ tcp, udp }} masquerade to :1024-65535", f"{outwards} masquerade"]
    chains = {
        "forward": ("type filter hook forward priority filter", forward),
        "resolver": ("type filter hook input priority filter", resolver),
        "leaving": ("type nat hook postrouting priority srcnat", leaving),
    }
    lines = [f"add table {table}", f"delete table {table}", f"add table {table}"]
    for name, (hook, rules) in chains.items():
        if rules:
            lines.append(f"add chain {table} {name} {{ {hook}; policy accept; }}")
            lines += [f"add rule {table} {name} {rule}" for rule in rules]
    return "\n".join([*lines, ""])


def _others_forward() -> bool:
    """Whether somebody else has rules for what this host forwards, which are theirs to decide by then."""
    for chain in _listed("list chains", "chain"):
        ours = chain.get("table") == _HOST or str(chain.get("table", "")).endswith("_nat")
        if not ours and (chain.get("hook") == "forward" or (chain.get("type") == "nat" and chain.get("hook") == "postrouting")):
            return True
    return False


def _bridges() -> set[str]:
    return {element for found in _listed(f"list set inet {_HOST} bridges", "set") for element in found.get("elem", [])}


def _listed(command: str, kind: str) -> list[dict[str, Any]]:
    """Objects of a kind; none where what is to be listed is not there."""
    try:
        shown = nft.listed(command, "can't list the host's rules")
    except Failed as error:
        if "No such file or directory" not in error.why:
            raise
        return []
    return [entry[kind] for entry in shown if kind in entry]


@contextmanager
def _before() -> Iterator[dict[str, str]]:
    """What this host's settings were before gaoler's: kept for all daemons, in this network namespace, until it is put back."""
    namespace = os.stat("/proc/thread-self/ns/net").st_ino
    path = Path(f"/run/gaoler-forwarding-{namespace}.json")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        known: dict[str, str] = json.loads(text) if text else {}
        try:
            yield known
        finally:
            file.seek(0)
            file.truncate()
            file.write(json.dumps(known))
            if not known:
                path.unlink(missing_ok=True)


def _keep_accepting_routes(before: dict[str, str]) -> None:
    """A host that forwards IPv6 ignores its own router unless accept_ra is 2 (kernel: ip-sysctl, accept_ra)."""
    for setting in _SYSCTL.glob("ipv6/conf/*/accept_ra"):
        try:
            if setting.read_text().strip() == "1":
                _set(before, str(setting.relative_to(_SYSCTL)), "2", "where IPv6 is off, empty network.subnet6")
        except (Failed, OSError):  # a container's interface, say, that has gone since it was listed
            if setting.exists():
                raise


def _set(before: dict[str, str], name: str, value: str, hint: str) -> None:
    path = _SYSCTL / name
    try:
        found = path.read_text().strip()
        if found != value:
            path.write_text(value)
            before.setdefault(name, found)
    except OSError as error:
        raise Failed(f"can't set {path} to {value}", error.strerror or str(error), hint) from None
