"""An account of the host: whom the administrator grants to, and whose a machine is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_DYNAMIC = range(61184, 65536)
"""Of systemd's DynamicUser=, and nobody."""


@dataclass(frozen=True)
class Account:
    """As the host's account database had it when it was asked."""

    name: str
    uid: int
    gid: int
    group: str
    groups: tuple[tuple[str, int], ...]
    """Further groups: name and id."""
    gecos: str
    home: str
    shell: str
    mark: str = ""
    """What tells it from an earlier or later one of that name and uid (machines.accounts); root has none."""

    @property
    def is_service(self) -> bool:
        """Whether it is a program's: below the uids that useradd gives to people, or one of those that nobody has for long."""
        return self.uid != 0 and (self.uid < _first_of_people() or self.uid in _DYNAMIC)


@lru_cache
def _first_of_people(definitions: Path = Path("/etc/login.defs")) -> int:
    """UID_MIN of login.defs(5)."""
    try:
        pairs = (line.split() for line in definitions.read_text(errors="replace").splitlines())
        return next(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "UID_MIN")
    except (OSError, ValueError, StopIteration):
        return 1000
