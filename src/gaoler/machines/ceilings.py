"""What an owner's machines, and all machines, may take together: what is promised to each may be more than there is.

Where nothing is configured, so much of the host's own size that its services have room left.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration

_LEFT = 512 << 20
"""Bytes of memory that services have, on whatever host."""
_KERNEL = Path("/proc/sys/kernel")


@dataclass(frozen=True)
class Ceiling:
    """Bytes of memory; processes and threads."""

    memory: int
    pids: int


def of_all(configuration: Configuration) -> Ceiling:
    """Of all machines together."""
    machines = configuration.machines
    return Ceiling(machines.all_memory or _most_memory(), machines.all_pids or _most_pids())


def of_owner(configuration: Configuration, owner: Account) -> Ceiling:
    """Of one owner's machines together."""
    everybody = of_all(configuration)
    memory, pids = (limit_of(configuration.limits, owner, key).value for key in ("owner_memory", "owner_pids"))
    return Ceiling(int(memory or everybody.memory // 2), int(pids or everybody.pids // 2))


def disk_of_all(configuration: Configuration) -> int:
    """Bytes that the files of all machines may take together. Raises OSError where the store is not there."""
    store = os.statvfs(configuration.store.path)
    return configuration.machines.all_disk or store.f_blocks * store.f_frsize // 16 * 15


def _most_memory() -> int:
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(_LEFT, min(there // 8 * 7, there - _LEFT))


def _most_pids() -> int:
    """A thread takes a pid: both are bounds."""
    return min(int((_KERNEL / name).read_text()) for name in ("pid_max", "threads-max")) // 2
