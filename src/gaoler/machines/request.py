"""What a new machine is to be: what was asked for, completed from the configuration and held against its limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from gaoler.bases.history import Defaults
from gaoler.configuration.account import Account
from gaoler.configuration.grants import Limit, limit_of
from gaoler.configuration.model import Configuration, Limits
from gaoler.errors import GaolerError, LimitReached, Usage
from gaoler.kernels.kernel import Kernel
from gaoler.machines.record import Record, Shape
from gaoler.units import show_duration, show_size

SMALLEST = 32 << 20
"""Bytes of memory that a machine boots with; fewer and its kernel panics."""
BOUNDS: dict[str, tuple[float, float]] = {
    "memory": (SMALLEST, 16 << 40), "cpus": (0.01, 4096), "disk": (1 << 20, 1 << 60), "ttl": (1, 100 * 365 * 86400),
}  # fmt: skip
"""The least that makes a machine, and the most that any host has, whatever the administrator grants. No limit is granted, not
wished for: nobody gets it by asking for 0."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What somebody asks of a new machine. None: as its base has it, or else the configuration."""

    base: str | None = None
    kernel: str | None = None
    memory: int | None = None
    cpus: float | None = None
    disk: int | None = None
    ttl: int | None = None
    init: str | None = None
    mode: str | None = None
    home: bool | None = None
    network: bool | None = None

    def said(self) -> dict[str, Any]:
        """Those that were said."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}


@dataclass(frozen=True, kw_only=True)
class Request(Shape):
    """A wish completed: all that a new machine is to be."""

    base: str
    kernel: str | None
    disk_asked: bool = False
    """Whether the limit of the disk was the caller's wish: it must hold then, or there is no machine."""

    @classmethod
    def of(cls, record: Record, kernels: Iterable[Kernel] | None = None) -> Request:
        """For another machine of the same make; with the standard kernel where its own is not among the `kernels` given."""
        has_own = kernels is None or record.kernel in {kernel.name for kernel in kernels}
        return cls(base=record.base, kernel=record.kernel if has_own else None, **record.shape())


_SHOW: dict[str, Callable[[float], str]] = {
    "memory": show_size, "cpus": "{:g}".format, "disk": show_size, "ttl": show_duration,
}  # fmt: skip
_EXAMPLES = {"memory": "256M", "cpus": "1", "disk": "4G", "ttl": "2h"}


def complete(configuration: Configuration, owner: Account, wishes: Wishes, of_base: Defaults | None = None) -> Request:
    """Raises Usage for what makes no sense, LimitReached for what is more than the administrator grants.

    What a base has for its machines is held to that, as what the configuration has is: nobody asked for it.
    """
    usual = of_base or Defaults()
    standard = configuration.machines
    limits = {key: limit_of(configuration.limits, owner, key) for key in ("memory", "cpus", "disk", "pids", "ttl")}
    wanted = {
        "base": standard.base,
        "kernel": None,
        "memory": int(_at_most(usual.memory or standard.memory, limits["memory"])),
        "cpus": _at_most(usual.cpus or standard.cpus, limits["cpus"]),
        "disk": limits["disk"].value or None,
        "ttl": int(_at_most(usual.ttl, limits["ttl"])) if usual.ttl else limits["ttl"].value or None,
        "init": "startenv",
        "mode": standard.mode,
        "home": _first(wishes.home, usual.home) and owner.uid != 0,  # there is no identity of root's to lend to a jail
        "network": _first(wishes.network, usual.network),
    } | {key: value for key, value in wishes.said().items() if key not in ("home", "network")}
    must_make_sense(wanted)
    for key, show in _SHOW.items():
        limit = limits[key]
        if limit.exceeded_by(wanted[key]):
            raise LimitReached(
                f"{key} {show(wanted[key])} is too much",
                f"{limit.setting} is {show(limit.value)}, set by the administrator",
                f"--{key} {show(limit.value)}",
                limit=key,
            )
    return Request(disk_asked=wishes.disk is not None, pids=int(limits["pids"].value), **wanted)


def must_make_sense(wanted: dict[str, Any]) -> None:
    """Raises Usage for less than makes a machine, and for more than any host has."""
    for key, show in _SHOW.items():
        value, (least, most) = wanted.get(key), BOUNDS[key]
        if value is not None and not least <= value:
            raise Usage(f"{key} {show(value)} is too little", f"a machine needs {show(least)}", f"--{key} {_EXAMPLES[key]}")
        if value is not None and not value <= most:
            raise Usage(f"{key} {show(value)} is absurd", f"the most is {show(most)}", f"--{key} {_EXAMPLES[key]}")


def as_setting(error: GaolerError, command: str) -> GaolerError:
    """What the above raise, for another command than `up`: its hint `--memory 1G` as `gaol set web memory=1G`."""
    error.hint = re.sub(r"^--(\w+) ", lambda option: f"{command} {option[1]}=", error.hint)
    return error


def held(limits: Limits, of: Record) -> Record:
    """A machine's record within what its owner is granted today, which may be less than when it was made."""

    def within(key: str) -> float | None:
        value, limit = getattr(of, key), limit_of(limits, of.owner, key)
        value = value if value and value > 0 else None
        return limit.value if limit.exceeded_by(value) else value

    memory, cpus, disk, ttl = (within(key) for key in ("memory", "cpus", "disk", "ttl"))
    return of.with_(
        memory=max(SMALLEST, int(memory or 0)),
        cpus=cpus or BOUNDS["cpus"][0],
        disk=None if disk is None else int(disk),
        ttl=None if ttl is None else int(ttl),
        pids=int(limit_of(limits, of.owner, "pids").value),
    )


def above(limits: Limits, of: Record) -> str:
    """What a machine has beyond what its owner is granted today, in words; nothing where there is no such thing."""
    now = held(limits, of)
    keys = [key for key in (*_SHOW, "pids") if _amount(of, key) > _amount(now, key)]
    return ", ".join(
        f"{key} {show(key, getattr(of, key))} ({limit_of(limits, of.owner, key).setting} is {show(key, getattr(now, key))})"
        for key in keys
    )


def _amount(of: Record, key: str) -> float:
    return getattr(of, key) or float("inf")


def show(key: str, value: object) -> str:
    """A wish as its owner writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return _SHOW[key](value) if key in _SHOW and isinstance(value, int | float) else str(value or "none")


def _first(*said: bool | None) -> bool:
    """What the first one says who says anything; yes where nobody does."""
    return next((one for one in said if one is not None), True)


def _at_most(value: float, limit: Limit) -> float:
    return min(value, limit.value) if limit.value else value
