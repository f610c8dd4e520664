"""The host as the router of the private network: forwarding, and where asked for, NAT and proxy ARP."""

from __future__ import annotations

from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.command import run

_SYSCTL = Path("/proc/sys/net")


def enable(prefix: str, bridge: str, subnet: str, subnet6: str | None, *, masquerade: bool = False, proxy_arp: str = "") -> None:
    """Route between the bridge and the host's other networks. Raises Failed."""
    _set("ipv4/ip_forward", "1")
    if subnet6:
        _keep_accepting_routes()
        _set("ipv6/conf/all/forwarding", "1")
    if proxy_arp:
        for link in (bridge, proxy_arp):
            _set(f"ipv4/conf/{link}/proxy_arp", "1")
    disable(prefix)
    if masquerade:
        rules = f'ip saddr {subnet} oifname != "{bridge}" masquerade'
        if subnet6:
            rules += f'\nip6 saddr {subnet6} oifname != "{bridge}" masquerade'
        chain = f"chain postrouting {{ type nat hook postrouting priority srcnat;\n{rules}\n}}"
        run(["nft", "-f", "-"], input=f"table inet {_table(prefix)} {{\n{chain}\n}}\n".encode())


def disable(prefix: str) -> None:
    """Take NAT away. Forwarding stays on: others on this host may rely on it by now."""
    # Adding first makes the deletion certain to find it, in one transaction.
    run(["nft", "-f", "-"], input=f"add table inet {_table(prefix)}\ndelete table inet {_table(prefix)}\n".encode())


def _table(prefix: str) -> str:
    return f"{prefix}_nat"


def _keep_accepting_routes() -> None:
    """A host that forwards IPv6 ignores its own router unless accept_ra is 2 (kernel: ip-sysctl, accept_ra)."""
    for setting in _SYSCTL.glob("ipv6/conf/*/accept_ra"):
        if setting.read_text().strip() == "1":
            setting.write_text("2")


def _set(name: str, value: str) -> None:
    path = _SYSCTL / name
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except OSError as error:
        raise Failed(f"can't set {path} to {value}", error.strerror or str(error), "is IPv6 off? empty subnet6") from None
