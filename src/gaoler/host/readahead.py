"""Asking the kernel to bring files into memory before somebody needs them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from gaoler.host import libc

_RESOLVE = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS | libc.RESOLVE_NO_XDEV


def bring(tree: Path, paths: Iterable[str]) -> None:
    """Start to read those files of a tree, by paths below it; links lead nowhere else. Returns before they are there.

    What is missing or no file is passed over: it costs who reads it later some milliseconds, and nothing else. Raises OSError.
    """
    root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for path in paths:
            try:
                file = libc.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, _RESOLVE)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
                    raise
                continue
            try:
                if stat.S_ISREG(os.fstat(file).st_mode):
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(file)
    finally:
        os.close(root)
