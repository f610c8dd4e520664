"""What programs in a machine are told of its disk (statfs(2), df): what the machine may hold and holds, not the whole store.

Its kernel reads both from a file of its configuration, which follows what the store counts: at each of its commits, every
30 s or when somebody syncs.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gaoler import files
from gaoler.errors import GaolerError
from gaoler.host import btrfs
from gaoler.machines.record import Record

if TYPE_CHECKING:
    from gaoler.machines.lifecycle import Machines
    from gaoler.machines.live import Live
    from gaoler.machines.machine import Machine

_PERIOD = 10.0
"""Seconds between looks at what the store has counted."""
_log = logging.getLogger(__name__)


def used(record: Record, gaol: Path) -> int | None:
    """Bytes that count against the machine's `disk`, as of the store's last commit.

    None where nothing counts them, or its files are gone.
    """
    try:
        quota = btrfs.quota(gaol)
    except GaolerError:
        return None
    if quota is None:
        return None
    shared = max(0, quota.limit - record.disk) if quota.limit and record.disk else 0  # of its base, which full quotas count too
    return max(0, quota.used - shared)


def tell(path: Path, record: Record, gaol: Path) -> None:
    """Write down at `path` what the machine may hold and holds, for its kernel to read. Raises OSError."""
    files.replace(path, f"{record.disk} {used(record, gaol) or 0}\n".encode(), mode=0o644)


def follow(machines: Machines, machine: Machine, observed: Live) -> None:
    """Tell it again and again while the machine runs, from the monitor's thread."""
    record = machine.record
    path, gaol = machines.jailer.runtime(record).disk, machines.jailer.gaol(record)

    def look() -> None:
        if machine.live is None or machine.live.process != observed.process:
            return
        if machine.lock.acquire(blocking=False):  # else it is being stopped, and its configuration may be going
            try:
                tell(path, record, gaol)
            except OSError as error:
                _log.info("%s: how full its disk is can't be told: %s", record.id, error)
            finally:
                machine.lock.release()
        machines.monitor.after(_PERIOD, look)

    machines.monitor.after(_PERIOD, look)
