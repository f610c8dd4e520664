"""Exchange two names of a file system in one step (renameat2, RENAME_EXCHANGE), which Python does not offer."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from gaoler.errors import Failed

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> None:
    """Both must exist, in one file system. Raises Failed."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        raise Failed(f"can't exchange {one} and {other}", os.strerror(ctypes.get_errno()))
