"""The text of the guard's rules (nft(8), family bridge), made from the table of frames (pure).

A machine's port leads to a chain of its own, where everything that is not in the table is dropped. Where the LAN's DHCP
server gives the address, the kernel itself reads it in the server's answers on their way to the machine and lets the
machine use it: no round trip through the daemon. There, IPv6 addresses that a machine makes itself are known by their
lower half, which follows from the MAC (RFC 4291, appendix A): the prefix is the router's to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from gaoler.errors import Failed
from gaoler.host.net import frames
from gaoler.host.net.frames import FRAMES, Field, Frame, Own

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
    shared = "\n".join(
        f"add rule bridge {name} {chain} {rule}" for source, chain in _SHARED.items() for rule in (*_from(source), "drop")
    )
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
{shared}
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
        raise Failed(f"can't guard {tap}", f"{mac!r} is not a MAC address", "ip -br link")
    own_chain, name = chain(tap), table(prefix)
    station = Station.of(tap, mac, addresses)
    rules = [
        *(f"{station.match(field, violated=True)} drop" for field in frames.ANY_FRAME),
        *station.accepted(),
        "drop",
    ]
    # A BOOTP answer (2) to this MAC, 8 and 36 bytes into the datagram.
    learn = f"@th,64,8 2 @th,288,48 {_hexadecimal(mac)} update @{leases(tap)} {{ {_GIVEN} }}"
    commands = [
        *_objects(name, tap),
        f"flush chain bridge {name} {own_chain}",
        f"flush chain bridge {name} {_answers(tap)}",
        f"flush set bridge {name} {leases(tap)}",
        *(f"add element bridge {name} {leases(tap)} {{ {int(IPv4Address(one)):#010x} }}" for one in leased),
        *(f"add rule bridge {name} {own_chain} {rule}" for rule in rules),
        f"add rule bridge {name} {_answers(tap)} {learn}",
    ]
    return "\n".join([*commands, ""])


def removal(prefix: str, tap: str) -> str:
    """Added before it is deleted: so removing what is not there is not a mistake."""
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


@dataclass(frozen=True)
class Station:
    """A machine's own values, as the rules compare frames with them."""

    mac: str
    ip4: str
    """One or a set of them; empty when it has none."""
    ip6: tuple[int, ...] | None
    """With None whatever has the lower half that follows from its MAC."""

    @classmethod
    def of(cls, tap: str, mac: str, addresses: Sequence[str] | None) -> Station:
        """With `addresses` of None they are what DHCP has given it, and what routers advertise."""
        if addresses is None:
            return cls(mac, f"@{leases(tap)}", None)
        known = [ip_address(address) for address in addresses]
        ip4 = [f"{int(address):#010x}" for address in known if isinstance(address, IPv4Address)]
        return cls(mac, _any_of(ip4), own_ip6(mac, [address for address in known if isinstance(address, IPv6Address)]))

    def accepted(self) -> list[str]:
        """What it may send, as whom. Frames that differ from machine to machine in their source alone have a chain in common."""
        rules = [rule for frame in FRAMES if _source_alone(frame) is None and (rule := self._rule(frame))]
        for source, goto in _SHARED.items():
            kind = frames.IP4 if source.may is Own.IP4 else frames.IP6
            if source.may is not Own.IP4 or self.ip4:
                rules.append(f"@ll,96,16 {kind:#06x} {self.match(source)} goto {goto}")
        return rules

    def _rule(self, frame: Frame) -> str:
        if not self.ip4 and any(field.may is Own.IP4 for field in frame.fields):
            return ""
        limit = f" limit rate {frame.rate}/minute burst {frame.rate} packets" if frame.rate else ""
        known = {id(field) for field in frames.ANY_FRAME}
        return " ".join(self.match(field) for field in frame.fields if id(field) not in known) + f"{limit} accept"

    def match(self, field: Field, *, violated: bool = False) -> str:
        """The expression of nft for a field that is as it may be, or that is not."""
        offset, bits, wanted = field.offset, field.bits, ""
        if field.may is Own.MAC:
            wanted = _hexadecimal(self.mac)
        elif field.may is Own.IP4:
            wanted = self.ip4
        elif field.may is Own.IP6 and self.ip6 is None:
            offset, bits, wanted = offset + 64, 64, f"{interface_identifier(self.mac):#018x}"
        elif field.may is Own.IP6:
            wanted = _any_of([f"{address:#034x}" for address in self.ip6 or ()])
        else:
            return _constant(field, violated=violated)
        return f"@{field.base},{offset},{bits} {'!= ' if violated else ''}{wanted}"


def own_ip6(mac: str, given: Sequence[IPv6Address]) -> tuple[int, ...]:
    """All IPv6 addresses of a machine that was given some: these, link-local, and what it makes itself of their prefixes."""
    half = interface_identifier(mac)
    made = {int(address) >> 64 << 64 | half for address in (*given, IPv6Address("fe80::"))}
    return tuple(sorted({*map(int, given), *made}))


def _constant(field: Field, *, violated: bool = False) -> str:
    assert not isinstance(field.may, Own)
    mask = f" & {field.mask:#x}" if field.mask is not None else ""
    wanted = _any_of([f"{value:#x}" for value in sorted(field.may)])
    return f"@{field.base},{field.offset},{field.bits}{mask} {'!= ' if field.but != violated else ''}{wanted}"


_SHARED = {frames.FROM4: "send_ip4", frames.FROM6: "send_ip6"}


def _source_alone(frame: Frame) -> Field | None:
    """The source address, where nothing else of the frame is the machine's own, and where no machine uses up another's rate."""
    return frame.own[0] if frame.own in ((frames.FROM4,), (frames.FROM6,)) and not frame.rate else None


def _from(source: Field) -> list[str]:
    """The rules of the chain for frames of that source, which was looked at before."""
    rest = ([field for field in frame.fields if field != source] for frame in FRAMES if _source_alone(frame) == source)
    return [" ".join(map(_constant, fields[1:])) + " accept" for fields in rest]  # the first is the type, looked at, too


def _any_of(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{{ {', '.join(values)} }}" if values else ""


def interface_identifier(mac: str) -> int:
    """The lower half of the IPv6 addresses that a machine of this MAC makes for itself."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]))


def _hexadecimal(mac: str) -> str:
    return "0x" + mac.replace(":", "")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Failed(f"can't guard {name!r}", "it is not the name of an interface", "ip -br link")
    return name
