"""What is known of a base beside its trees: where it comes from, its generations, how the last sync ended. Files of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from gaoler import files


@dataclass(frozen=True)
class _File:
    """A dataclass that is a file."""

    def write(self, path: Path) -> None:
        """Atomic and durable. Raises Failed."""
        files.write(path, json.dumps(asdict(self), indent=1).encode(), durable=True)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where there is none that can be understood."""
        try:
            raw: dict[str, Any] = json.loads(path.read_bytes())
            known = {one.name for one in fields(cls)}
            return cls(**{key: value for key, value in raw.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class Recipe(_File):
    """How a base is made, and made again at each sync."""

    kind: str
    """rsync, pacstrap, mmdebstrap, oci, tar, directory or machine."""
    argument: str
    mirror: str | None = None
    keyring: str | None = None

    publisher: str | None = None
    publisher_uid: int | None = None
    """Who published it, by both: a later account has one of them at most. None: administrators, who made it for everybody, also
    where it is made from a user's machine.
    """
    publisher_mark: str = ""
    """What tells that account from a later one of the same name and uid."""
    machine_mark: str = field(default="", compare=False)
    """The same of whose machine it is made from."""
    keep: tuple[str, ...] = ()
    """Absolute paths that a machine's base takes along, though they may be secrets."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", tuple(self.keep))  # files of JSON have lists, and recipes are compared

    def __str__(self) -> str:
        return f"{self.kind} {self.argument}".strip()


@dataclass(frozen=True)
class Defaults(_File):
    """What machines of a base get where whoever makes one says nothing; None: as the configuration has it.

    They are the base's, whatever generation is current.
    """

    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    ttl: int | None = None
    """Seconds."""
    home: bool | None = None
    network: bool | None = None
    welcome: str = ""
    """Told in the first shell."""


@dataclass(frozen=True)
class Generation(_File):
    """One generation's own note. Sizes in bytes, times in seconds since the epoch."""

    number: str
    created: float
    source: str
    files: int = 0
    size: int = 0
    moved_files: int | None = None
    """Made, changed and removed against the generation before; None where the way of making does not tell."""
    moved_bytes: int | None = None
    """Received from the source."""
    digest: str | None = None
    """Of the image that it was made from, where that has a name in a registry."""


@dataclass(frozen=True)
class Attempt(_File):
    """The last sync."""

    time: float
    result: str
    """`new`, `unchanged` or `failed`."""
    seconds: float
    reason: str | None = None
    lacks: tuple[str, ...] | list[str] = ()
    """What the tree has not, that machines from it would like."""
    good: float | None = None
    """When the last sync ended that did not fail; seconds since the epoch."""
    failures: int = 0
    """Syncs that have failed since."""
