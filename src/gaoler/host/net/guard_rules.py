"""The text of the guard's rules (nft(8), family bridge): what a machine may send, and as whom (pure).

A machine's port leads to a chain of its own, where everything that is not allowed is dropped. Checks of who sends stand
before any accept. Where the LAN's DHCP server gives the address, the kernel itself reads it in the server's answers on
their way to the machine and lets the machine use it: no round trip through the daemon. IPv6 addresses that a machine
makes itself are known by their lower half, which follows from the MAC (RFC 4291, appendix A): the prefix is the router's
to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from gaoler.errors import Failed

MACHINES = "machines"  # the verdict map from ports to chains for what comes from there
_CLIENTS = "clients"  # and to chains for the DHCP answers that go there

_NUMBER = "tcp sequence"  # to say "32 bits": of a set of `typeof @th,192,32` nft 1.0.6 dies wherever it lists it
_GIVEN = "@th,192,32"  # the address that a BOOTP answer gives, 24 bytes into the datagram
_LEASES_MAX = 8  # addresses offered or given to one machine
_PRIORITY = -350  # before anything else that hooks in there
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def table(prefix: str) -> str:
    """The name of the table of one daemon."""
    return f"{_checked(prefix)}_guard".replace("-", "_").replace(".", "_")


def chain(tap: str) -> str:
    """The name of a port's chain for what comes from there."""
    return f"port_{_plain(tap)}"


def _answers(tap: str) -> str:
    return f"answers_{_plain(tap)}"


def leases(tap: str) -> str:
    """The name of the set of addresses that DHCP gave to a port's machine."""
    return f"leases_{_plain(tap)}"


def _plain(tap: str) -> str:
    return _checked(tap).replace("-", "_").replace(".", "_")


def installation(prefix: str) -> str:
    """The table and what all ports share; chains of ports that are there stay."""
    name = table(prefix)
    return f"""
add table bridge {name}
add map bridge {name} {MACHINES} {{ type ifname : verdict; }}
add map bridge {name} {_CLIENTS} {{ type ifname : verdict; }}
add chain bridge {name} entry {{ type filter hook prerouting priority {_PRIORITY}; policy accept; }}
add chain bridge {name} local {{ type filter hook input priority {_PRIORITY}; policy accept; }}
add chain bridge {name} leaving {{ type filter hook postrouting priority {_PRIORITY}; policy accept; }}
add chain bridge {name} send_ip4
add chain bridge {name} send_ip6
flush chain bridge {name} entry
flush chain bridge {name} local
flush chain bridge {name} leaving
flush chain bridge {name} send_ip4
flush chain bridge {name} send_ip6
add rule bridge {name} entry iifname vmap @{MACHINES}
add rule bridge {name} entry iifname "{prefix}*" drop comment "a port without rules yet, or no longer"
add rule bridge {name} local iifname "{prefix}*" ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop
add rule bridge {name} leaving ether type ip udp sport 67 udp dport 68 oifname vmap @{_CLIENTS}
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


def port(prefix: str, tap: str, mac: str, addresses: Sequence[str] | None, leased: Sequence[str] = ()) -> str:
    """The chain of one port, made anew, and its entry in the map.

    With `addresses` of None the machine may ask for an IPv4 address by DHCP, and then use what it was given; `leased`
    it was given before.
    """
    if not _MAC.fullmatch(mac):
        raise Failed(f"cannot guard {tap}", f"{mac!r} is no MAC address")
    known = [ip_address(address) for address in addresses or ()]
    ip4 = [str(address) for address in known if isinstance(address, IPv4Address)]
    ip6 = [address for address in known if isinstance(address, IPv6Address)]
    name, own = table(prefix), chain(tap)
    known_ip4 = f"{{ {', '.join(ip4)} }}" if ip4 else None
    # What is learned is a number to newer nft (1.1.3), which compares no address with it: so bytes are compared with it.
    arp_sender, ip4_sender = ("@nh,112,32", "@nh,96,32") if addresses is None else ("arp saddr ip", "ip saddr")
    allowed = f"@{leases(tap)}" if addresses is None else known_ip4
    rules = [
        f"ether saddr != {mac} drop",
        "ether type { 8021q, 8021ad, 0x9100 } drop",
        "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop",
        *_arp(mac, allowed and f"{arp_sender} {allowed}"),
        *_ip4(mac, allowed and f"{ip4_sender} {allowed}"),
        *_ip6(mac, ip6),
        "drop",
    ]
    # A BOOTP answer (2) to this MAC, 8 and 36 bytes into the datagram.
    learn = f"@th,64,8 2 @th,288,48 {_hexadecimal(mac)} update @{leases(tap)} {{ {_GIVEN} }}"
    commands = [
        *_objects(name, tap),
        f"flush chain bridge {name} {own}",
        f"flush chain bridge {name} {_answers(tap)}",
        f"flush set bridge {name} {leases(tap)}",
        *(f"add element bridge {name} {leases(tap)} {{ {int(IPv4Address(one)):#010x} }}" for one in leased),
        *(f"add rule bridge {name} {own} {rule}" for rule in rules),
        f"add rule bridge {name} {_answers(tap)} {learn}",
    ]
    return "\n".join([*commands, ""])


def removal(prefix: str, tap: str) -> str:
    """Added before it is deleted: so it is no mistake to remove what is not there."""
    name = table(prefix)
    commands = [
        *_objects(name, tap),
        f'delete element bridge {name} {MACHINES} {{ "{tap}" }}',
        f'delete element bridge {name} {_CLIENTS} {{ "{tap}" }}',
        f"flush chain bridge {name} {chain(tap)}",
        f"flush chain bridge {name} {_answers(tap)}",
        f"delete chain bridge {name} {chain(tap)}",
        f"delete chain bridge {name} {_answers(tap)}",
        f"delete set bridge {name} {leases(tap)}",
    ]
    return "\n".join([*commands, ""])


def _objects(name: str, tap: str) -> list[str]:
    """What a port consists of, made where it is not there yet."""
    return [
        f"add chain bridge {name} {chain(tap)}",
        f"add chain bridge {name} {_answers(tap)}",
        f"add set bridge {name} {leases(tap)} {{ typeof {_NUMBER}; flags dynamic; size {_LEASES_MAX}; }}",
        f'add element bridge {name} {MACHINES} {{ "{tap}" : goto {chain(tap)} }}',
        f'add element bridge {name} {_CLIENTS} {{ "{tap}" : goto {_answers(tap)} }}',
    ]


def _arp(mac: str, sender: str | None) -> list[str]:
    arp = "ether type arp arp"
    rules = [
        f"{arp} saddr ether != {mac} drop",
        f"{arp} htype 1 arp ptype ip arp saddr ip 0.0.0.0 accept",  # asks whether an address is free (RFC 5227)
    ]
    if sender:
        rules.append(f"{arp} htype 1 arp ptype ip {sender} accept")
    return rules


def _ip4(mac: str, sender: str | None) -> list[str]:
    rules = [
        # The hardware address in a DHCP request lies 28 bytes into it: one machine, one lease.
        f"ether type ip udp dport 67 @th,288,48 != {_hexadecimal(mac)} drop",
        # Servers tell clients apart by an option as well (RFC 2132, 61), wherever it stands: who makes up many gets a lease
        # for each. An honest one asks twice, and again every few seconds while nobody answers.
        "ether type ip udp dport 67 limit rate over 20/minute burst 20 packets drop",
        "ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
    ]
    if sender:
        rules.append(f"ether type ip {sender} goto send_ip4")
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
