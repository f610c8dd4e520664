"""When a snapshot that is being taken is of one instant that has passed, which is before its call returns.

The call flushes what was written to the tree, joins the transaction that runs, and commits it. While the commit lets nobody
write, it enters the new subvolume into its directory and copies the root of its tree; only then it writes all that to the
disk, which takes most of the time, and returns. Whoever may write again finds the name there, so nothing that is written by
somebody who waited for the name is in the snapshot.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from pathlib import Path

from gaoler.host.btrfs import ioctl

_DIR_INDEX_KEY = 96  # linux/btrfs_tree.h
_NAME = 30
"""Bytes of a struct btrfs_dir_item before its name."""
_PAUSE = 0.0003


def wait(dst: Path, taking: Future[None]) -> None:
    """Return when what is written from now on is in no snapshot `dst`, which `taking` makes; at its end at the latest.

    Its directory is searched, which should have few names. Raises what `taking` does, and OSError.
    """
    directory = os.open(dst.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        first = (os.fstat(directory).st_ino, _DIR_INDEX_KEY, 0)
        last, name = (*first[:2], 2**64 - 1), os.fsencode(dst.name)
        while not taking.done():
            if any(item[_NAME:] == name for _, item in ioctl.search(directory, 0, first, last)):
                return
            time.sleep(_PAUSE)
    finally:
        os.close(directory)
    taking.result()
