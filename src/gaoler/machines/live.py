"""What is observed of a running machine: its process, and the milestones that it told.

Kept beside the sockets in the runtime directory, so that a restarted daemon finds it; a host that rebooted has lost it,
which is right. Milestones come from inside and are hostile: short, of known kinds, never a path.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

from gaoler.host.process import Process

MISSING = ("address", "address6", "sshd", "network", "account", "home", "init", "services")
"""What a machine may say it lacks."""


@dataclass(frozen=True)
class Live:
    process: Process
    started: float
    kernel: str
    agent: bool = False
    sshd: bool = False
    ready: bool = False
    stopping: bool = False
    killed: str | None = None
    """The program that its kernel has killed last, since its memory was full."""
    missing: tuple[str, ...] = ()
    address: str | None = None
    address6: str | None = None
    given: bool = True
    """Whether its owner has it. One that is thrown away is given when its command is on the way; without that it is nobody's."""
    waited: float = 0.0
    """Seconds that it ran before it was given."""

    @property
    def age(self) -> float:
        """Seconds that its owner has had it."""
        return self.process.age() - self.waited

    @property
    def settled(self) -> bool:
        """Whether it has said all that it will say about being ready."""
        return self.ready or bool(self.missing)


def told(live: Live, text: str, own: Callable[[str], bool]) -> Live:
    """The machine as it is after one milestone; nonsense changes nothing, nor does an address that is not its `own`."""
    words = text.split(" ")
    match words:
        case ["gaol", "agent"]:
            return replace(live, agent=True)
        case ["gaol", "sshd"]:
            return replace(live, sshd=True)
        case ["gaol", "ready"]:
            return replace(live, ready=True, missing=())
        case ["gaol", "stopping"]:
            return replace(live, stopping=True)
        case ["gaol", "killed", name] if name.isascii() and name.isprintable():
            return replace(live, killed=name[:32])
        case ["gaol", "missing", names]:
            missing = tuple(name for name in MISSING if name in names.split(","))
            return replace(live, missing=missing, ready=live.ready and not missing)
        case ["gaol", "address", value]:
            return replace(live, address=_address(value, 4, own) or live.address)
        case ["gaol", "address6", value]:
            return replace(live, address6=_address(value, 6, own) or live.address6)
    return live


def _address(text: str, version: int, own: Callable[[str], bool]) -> str | None:
    try:
        address = ipaddress.ip_address(text[:64])
    except ValueError:
        return None
    if getattr(address, "scope_id", None) is not None:
        return None  # an interface's name, whatever it says: ssh would expand it
    if address.version != version or address.is_multicast or address.is_loopback or address.is_unspecified:
        return None
    return str(address) if own(str(address)) else None


def encode(live: Live) -> bytes:
    return json.dumps(asdict(live)).encode()


def decode(data: bytes) -> Live:
    """Raises ValueError for what is not one."""
    try:
        raw = json.loads(data)
        process = Process(**raw.pop("process"))
        raw["missing"] = tuple(raw["missing"])
        known = {field.name for field in fields(Live)}  # a newer gaoler may have written more
        return Live(process=process, **{key: value for key, value in raw.items() if key in known})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a running machine's state: {error}") from None
