"""The text of the guard's rules (nft(8), family bridge): what a machine may send, and as whom (pure).

A machine's port leads to a chain of its own, where everything that is not allowed is dropped. Checks of who sends stand
before any accept. IPv6 addresses that a machine makes itself are known by their lower half, which follows from the MAC
(RFC 4291, appendix A): the prefix is the router's to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from gaoler.errors import Failed

MACHINES = "machines"  # the verdict map from ports to chains

_PRIORITY = -350  # before anything else that hooks in there
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def table(prefix: str) -> str:
    """The name of the table of one daemon."""
    return f"{_checked(prefix)}_guard".replace("-", "_").replace(".", "_")


def chain(tap: str) -> str:
    """The name of a port's chain."""
    return "port_" + _checked(tap).replace("-", "_").replace(".", "_")


def installation(prefix: str) -> str:
    """The table and what all ports share; chains of ports that are there stay."""
    name = table(prefix)
    return f"""
add table bridge {name}
add map bridge {name} {MACHINES} {{ type ifname : verdict; }}
add chain bridge {name} entry {{ type filter hook prerouting priority {_PRIORITY}; policy accept; }}
add chain bridge {name} local {{ type filter hook input priority {_PRIORITY}; policy accept; }}
add chain bridge {name} send_ip4
add chain bridge {name} send_ip6
flush chain bridge {name} entry
flush chain bridge {name} local
flush chain bridge {name} send_ip4
flush chain bridge {name} send_ip6
add rule bridge {name} entry iifname vmap @{MACHINES}
add rule bridge {name} entry iifname "{prefix}*" drop comment "a port without rules yet, or no longer"
add rule bridge {name} local iifname "{prefix}*" ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop
add rule bridge {name} send_ip4 udp sport 67 drop comment "DHCP server"
add rule bridge {name} send_ip4 igmp type membership-query drop
add rule bridge {name} send_ip4 accept
add rule bridge {name} send_ip6 icmpv6 type {{ nd-router-advert, nd-redirect, mld-listener-query }} drop
add rule bridge {name} send_ip6 udp sport 547 drop comment "DHCPv6 server"
add rule bridge {name} send_ip6 accept
"""


def uninstallation(prefix: str) -> str:
    name = table(prefix)
    return f"add table bridge {name}\ndelete table bridge {name}\n"


def port(prefix: str, tap: str, mac: str, addresses: Sequence[str]) -> str:
    """The chain of one port, made anew, and its entry in the map.

    Without any IPv4 address among `addresses` the machine may only ask for one by DHCP.
    """
    if not _MAC.fullmatch(mac):
        raise Failed(f"cannot guard {tap}", f"{mac!r} is no MAC address")
    known = [ip_address(address) for address in addresses]
    ip4 = [address for address in known if isinstance(address, IPv4Address)]
    ip6 = [address for address in known if isinstance(address, IPv6Address)]
    name, own = table(prefix), chain(tap)
    rules = [
        f"ether saddr != {mac} drop",
        "ether type { 8021q, 8021ad, 0x9100 } drop",
        "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop",
        *_arp(mac, ip4),
        *_ip4(mac, ip4),
        *_ip6(mac, ip6),
        "drop",
    ]
    return "\n".join(
        [
            f"add chain bridge {name} {own}",
            f"flush chain bridge {name} {own}",
            *(f"add rule bridge {name} {own} {rule}" for rule in rules),
            f'add element bridge {name} {MACHINES} {{ "{tap}" : goto {own} }}',
            "",
        ]
    )


def removal(prefix: str, tap: str) -> str:
    name, own = table(prefix), chain(tap)
    return (
        f'delete element bridge {name} {MACHINES} {{ "{tap}" }}\n'
        f"flush chain bridge {name} {own}\n"
        f"delete chain bridge {name} {own}\n"
    )


def _arp(mac: str, addresses: Sequence[IPv4Address]) -> list[str]:
    senders = ", ".join(map(str, [IPv4Address(0), *addresses]))  # 0.0.0.0 asks whether an address is free (RFC 5227)
    return [
        f"ether type arp arp saddr ether != {mac} drop",
        f"ether type arp arp htype 1 arp ptype ip arp saddr ip {{ {senders} }} accept",
    ]


def _ip4(mac: str, addresses: Sequence[IPv4Address]) -> list[str]:
    client = _hexadecimal(mac)
    rules = [
        # The hardware address in a DHCP request lies 28 bytes into it: one machine, one lease.
        f"ether type ip udp dport 67 @th,288,48 != {client} drop",
        "ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
    ]
    if addresses:
        rules.append(f"ether type ip ip saddr {{ {', '.join(map(str, addresses))} }} goto send_ip4")
    return rules


def _ip6(mac: str, addresses: Sequence[IPv6Address]) -> list[str]:
    half = f"{interface_identifier(mac):#018x}"
    # Who claims an address (the target, 8 bytes into an advertisement) must own it, whatever source he gives.
    foreign = f"ether type ip6 icmpv6 type nd-neighbor-advert @th,128,64 != {half}"
    if addresses:
        foreign += f" @th,64,128 != {{ {', '.join(f'{int(address):#034x}' for address in addresses)} }}"
    rules = [
        f"{foreign} drop",
        f"ether type ip6 @nh,128,64 {half} goto send_ip6",
        # Before an address is known to be free it is asked for from "::" (RFC 4862).
        "ether type ip6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld2-listener-report } accept",
    ]
    if addresses:
        rules.append(f"ether type ip6 ip6 saddr {{ {', '.join(map(str, addresses))} }} goto send_ip6")
    return rules


def interface_identifier(mac: str) -> int:
    """The lower half of the IPv6 addresses that a machine of this MAC makes for itself."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]))


def _hexadecimal(mac: str) -> str:
    return "0x" + mac.replace(":", "")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Failed(f"cannot guard {name!r}", "it is no name of an interface")
    return name
