"""What programs in a machine are told of its disk (statfs(2), df): what the machine may hold and holds, not the whole store.

Its kernel reads both from a file of its configuration, which follows what the store counts: at each of its commits, every
30 s or when somebody syncs.
"""

from __future__ import annotations

from pathlib import Path

from gaoler import files
from gaoler.errors import GaolerError
from gaoler.host import btrfs
from gaoler.machines.record import Record

PERIOD = 10.0
"""Seconds between looks at what the store has counted."""


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
