"""Whether a machine fits, before it starts rather than when memory has ended (pure but for the host's own size)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.errors import LimitReached
from gaoler.machines import ceilings, footprint
from gaoler.machines.record import Record
from gaoler.units import show_size

_LEAST = 64 << 20
"""Bytes of a machine in which a shell and sshd are at ease."""


@dataclass(frozen=True)
class Wanted:
    """A machine that is to start: `memory` is its own, in bytes; `hint` is what may help where it does not fit."""

    owner: Account
    memory: int
    name: str
    hint: str


def of_record(of: Record) -> Wanted:
    """A machine that there is."""
    hint = "gaol ls" if of.ephemeral else with_less(f"gaol set {of.name} memory=", of.memory)
    return Wanted(of.owner, of.memory, of.name, hint)


def with_less(command: str, memory: int) -> str:
    """A command that asks for half of the memory; or, where that is too little for a machine, what shows which ones to stop."""
    return f"{command}{show_size(memory // 2)}" if memory >= 2 * _LEAST else "gaol ls"


def check(configuration: Configuration, others: Iterable[Record], wanted: Wanted) -> None:
    """Raise LimitReached where it, with the `others` that run, may take more memory than is to be promised."""
    there, mine = list(others), footprint.host_memory(wanted.memory)
    theirs = [one for one in there if one.owner.uid == wanted.owner.uid]
    ceiling, setting = _of_owner(configuration, wanted.owner)
    if ceiling is not None and (promised := _sum(theirs)) + mine > ceiling:
        why = f"your machines that run may take {show_size(promised)} of memory, and all of yours"
        raise _full(wanted, why, ceiling, setting)
    everybody = int(ceilings.of_all(configuration).memory * configuration.machines.overcommit)
    if (promised := _sum(there)) + mine > everybody:
        why = f"machines that run may take {show_size(promised)} of this host's memory, and all together"
        raise _full(wanted, why, everybody, "machines.overcommit")


def _of_owner(configuration: Configuration, owner: Account) -> tuple[int | None, str]:
    """What an owner's machines may be promised together: what the administrator says, exactly; else half of what all may."""
    granted = limit_of(configuration.limits, owner, "owner_memory")
    if granted.value:
        return int(granted.value), granted.setting
    if owner.uid == 0:
        return None, ""
    return int(ceilings.of_owner(configuration, owner).memory * configuration.machines.overcommit), "machines.overcommit"


def _sum(records: Iterable[Record]) -> int:
    return sum(footprint.host_memory(one.memory) for one in records)


def _full(wanted: Wanted, why: str, ceiling: int, setting: str) -> LimitReached:
    needed = show_size(footprint.host_memory(wanted.memory))
    what = f"{wanted.name} does not fit: it may take {needed}"
    return LimitReached(what, f"{why} {show_size(ceiling)} ({setting})", wanted.hint, limit="memory")
