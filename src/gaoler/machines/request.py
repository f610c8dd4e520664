"""What a new machine is to be: what was asked for, completed from the configuration and held against its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gaoler.errors import LimitReached, Usage
from gaoler.machines.configuration import Configuration
from gaoler.wire.limits import show_duration, show_size

SMALLEST = 32 << 20
"""Bytes of memory that a machine boots with; fewer and its kernel panics."""


@dataclass(frozen=True)
class Request:
    name: str
    base: str
    kernel: str | None
    memory: int
    cpus: float
    disk: int | None
    pids: int
    ttl: int | None
    init: str
    mode: str
    home: bool
    network: bool

    def sizes(self) -> dict[str, Any]:
        """The fields that go into the record as they are."""
        names = ("memory", "cpus", "disk", "pids", "ttl", "init", "mode", "home", "network")
        return {name: getattr(self, name) for name in names}


def complete(configuration: Configuration, name: str, given: dict[str, Any]) -> Request:
    """Raises Usage for what makes no sense, LimitReached for what is more than the administrator grants."""
    standard, limits = configuration.machines, configuration.limits
    wanted = {
        "base": standard.base,
        "kernel": None,
        "memory": min(standard.memory, limits.memory),
        "cpus": min(standard.cpus, limits.cpus),
        "disk": limits.disk or None,
        "ttl": limits.ttl or None,
        "init": "startenv",
        "mode": standard.mode,
        "home": True,
        "network": True,
    } | {key: value for key, value in given.items() if value is not None}
    if wanted["memory"] < SMALLEST:
        raise Usage(
            f"{show_size(wanted['memory'])} of memory is too little",
            f"a machine needs {show_size(SMALLEST)}",
            "--memory 256M",
        )
    if not wanted["cpus"] > 0:
        raise Usage(f"{wanted['cpus']:g} processors make no machine", "", "--cpus 1")
    for key, show in (("memory", show_size), ("cpus", "{:g}".format), ("disk", show_size), ("ttl", show_duration)):
        limit = getattr(limits, key)
        if limit and (wanted[key] or 0) > limit:
            raise LimitReached(
                f"{key} {show(wanted[key])} is too much",
                f"limits.{key} is {show(limit)}, set by the administrator",
                f"--{key} {show(limit)}",
            )
    return Request(name=name, pids=limits.pids, **wanted)
