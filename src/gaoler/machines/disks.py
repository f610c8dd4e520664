"""What programs in a machine are told of its disk (statfs(2), df): what the machine may hold and holds, not the whole store.

Its kernel reads both from a file of its configuration, which follows what the store counts.
"""

from __future__ import annotations

from pathlib import Path

from gaoler import files
from gaoler.errors import GaolerError
from gaoler.host import btrfs
from gaoler.machines.record import Record

PERIOD = 1.0
"""Seconds between looks at what the store has counted: a program that hears "Disk quota exceeded" is to find df saying so."""


def used(record: Record, gaol: Path) -> int | None:
    """Bytes that count against the machine's `disk`.

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


def tell(path: Path, record: Record, gaol: Path, before: str = "") -> str:
    """Write down at `path` what the machine may hold and holds, for its kernel to read, and return that. Raises OSError.

    Nothing is written where it is as `before`.
    """
    now = f"{record.disk} {used(record, gaol) or 0}\n"
    if now != before:
        files.replace(path, now.encode(), mode=0o644)
    return now
