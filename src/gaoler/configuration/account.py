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
    """What tells it from an earlier or later one of that name and uid (machines.accounts); root has none.

    `MARK.N` where others of that uid have left something: it is the Nth after the first.
    """

    @property
    def turn(self) -> int:
        """How many accounts had this uid before, as far as anything is left of them."""
        return turn_of(self.mark)

    @property
    def share(self) -> str:
        """What its machines' control group is called after: nobody shares that with whoever had the uid before."""
        return f"{self.uid}.{self.turn}" if self.turn else f"{self.uid}"

    @property
    def quota(self) -> int:
        """The number by which its disk space is counted."""
        return self.turn << 32 | self.uid

    @property
    def is_service(self) -> bool:
        """Whether it is a program's: below the uids that useradd gives to people, or one of those that nobody has for long."""
        return self.uid != 0 and (self.uid < _first_of_people() or self.uid in _DYNAMIC)


def turn_of(mark: str) -> int:
    """What a mark says of it; 0 of the first one, and of root."""
    number = mark.partition(".")[2]
    return int(number) if number.isdecimal() else 0


@lru_cache
def _first_of_people(definitions: Path = Path("/etc/login.defs")) -> int:
    """UID_MIN of login.defs(5)."""
    try:
        pairs = (line.split() for line in definitions.read_text(errors="replace").splitlines())
        return next(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "UID_MIN")
    except (OSError, ValueError, StopIteration):
        return 1000
