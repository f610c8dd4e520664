"""What is wanted of a machine: its record, one file each in the store. What is observed is asked of the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from gaoler.configuration.account import Account

Wanted = Literal["stopped", "running", "asleep", "removed"]
Access = Literal["root", "user"]
"""As whom somebody may run commands in another's machine: as anybody inside, or as an account named after themselves."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a machine is made with, as it was asked for and as it is recorded."""

    memory: int
    """Bytes."""
    cpus: float
    disk: int | None
    """Bytes that its files may take; None for any number."""
    pids: int
    ttl: int | None
    """Seconds that it may run; None for ever."""
    init: str
    mode: str
    home: bool
    network: bool

    def shape(self) -> dict[str, Any]:
        """These fields alone, for another of the same make."""
        return {field.name: getattr(self, field.name) for field in fields(Shape)}


@dataclass(frozen=True, kw_only=True)
class Share:
    """Somebody else who may go into a machine: an account, by both of its names, since either may be given to another one."""

    name: str
    uid: int
    access: Access
    until: float | None
    """Seconds since the epoch; None for as long as there is the machine."""
    mark: str = ""
    """What tells that account from a later one of the same names."""
    home: bool
    """Whether its owner has said that it holds while their home directory is in the machine, too."""

    def holds(self, account: Account, now: float) -> bool:
        """Whether it lets that account in at that time."""
        same = (self.name, self.uid) == (account.name, account.uid) and self.mark in ("", account.mark)
        return same and (self.until is None or now < self.until)


@dataclass(frozen=True, kw_only=True)
class Record(Shape):
    id: str
    """Twelve hexadecimal digits; what everything of the machine on the host is named after."""
    name: str
    owner: Account
    base: str
    generation: str | None
    """None where the base is a plain directory."""
    kernel: str | None
    """VERSION-HASH; None for the configuration's."""
    slot: int
    """The machine's place in the range of host ids and of the private network's addresses."""
    mac: str
    address: str | None
    """Its IPv4 address where gaoler owns addresses (private mode)."""
    address6: str | None
    created: float
    ephemeral: bool
    """Of `gaol run`: thrown away when it stops."""
    spare: bool = False
    """Made ahead for whoever runs something next: it is nobody's to see until it is given to them."""
    rescues: str | None = None
    """The id of a stopped machine of the same owner, whose files are in this one while it lives; it has no home, then."""
    autostart: bool = False
    """Whether it starts with the host."""
    shares: tuple[Share, ...] = ()
    """With whom its owner shares it."""
    welcomed: bool = False
    """Whether its owner has seen what its base tells in the first shell."""
    wanted: Wanted

    @property
    def label(self) -> str:
        """As administrators name it and logs tell it."""
        return f"{self.owner.name}/{self.name}"

    def with_(self, **changes: Any) -> Record:
        return replace(self, **changes)


def encode(record: Record) -> bytes:
    return json.dumps(asdict(record), indent=1).encode()


def decode(data: bytes) -> Record:
    """Raises ValueError for what is not a record."""
    try:
        raw = json.loads(data)
        owner = raw.pop("owner")
        owner["groups"] = tuple((str(name), int(gid)) for name, gid in owner["groups"])
        raw["shares"] = tuple(Share(**share) for share in raw.get("shares", ()))
        names = {field.name for field in fields(Record)}
        return Record(owner=Account(**owner), **{key: value for key, value in raw.items() if key in names})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a machine's record: {error}") from None


def kept(directory: Path) -> Iterator[Record]:
    """The records in a directory, but those that can't be read."""
    for path in sorted(directory.glob("*/record.json")):
        with suppress(OSError, ValueError):
            yield decode(path.read_bytes())
