"""An account of the host: whom the administrator grants to, and whose a machine is."""

from __future__ import annotations

from dataclasses import dataclass


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
