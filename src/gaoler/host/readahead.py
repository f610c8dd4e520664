"""Asking the kernel to bring files into memory before somebody needs them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gaoler.host import libc

_RESOLVE = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS | libc.RESOLVE_NO_XDEV


def bring(tree: Path, paths: Iterable[str]) -> None:
    """Start to read those files of a tree, by paths below it; links lead nowhere else. Returns before they are there.

    What can't be read is passed over: it costs who reads it later some milliseconds, and nothing else.
    """
    try:
        root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for path in paths:
            with suppress(OSError):
                _bring(root, path)
    finally:
        os.close(root)


def _bring(root: int, path: str) -> None:
    file = libc.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, _RESOLVE)
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(file)
