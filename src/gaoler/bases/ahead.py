"""A clone of each base that is in use, made ahead: a btrfs snapshot waits for the disk, renaming one does not.

One is kept of a base, and made while no one waits; so a burst of new machines is as fast as without. Only read-only
subvolumes are cloned ahead: such a clone is the same whenever it is made.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from uuid import UUID

from gaoler.host import btrfs, readahead

_LIBRARIES = ("ld-linux-x86-64.so.2", "libc.so.6", "libcrypto.so.3", "libgcrypt.so.20", "libkrb5.so.3", "libsystemd.so.0",
              "libzstd.so.1", "libpcre2-8.so.0", "libselinux.so.1", "libpam.so.0", "libz.so.1")  # fmt: skip
READ_AT_START = (
    *("bin/sh", "etc/ld.so.cache", *(f"lib/{place}{name}" for name in _LIBRARIES for place in ("x86_64-linux-gnu/", ""))),
    *("bin/cat", "bin/mkdir", "bin/rm", "bin/sed", "usr/sbin/sshd", "usr/lib/openssh/sshd-session", "usr/lib/ssh/sshd-session"),
)
"""What a start of Debian or Arch reads first, the more often the sooner: by fincore(1), in the gaol of a machine just up."""


class Spares:
    """`directory` is for spares alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._ready: dict[str, tuple[UUID, Path]] = {}
        """By base, and of which of its subvolumes: paths of generations may come again, their UUIDs do not."""

    def clear(self) -> None:
        """Delete what an earlier daemon made. Raises GaolerError."""
        for path in self._directory.iterdir():
            btrfs.delete(path)

    def take(self, base: str, tree: Path, target: Path) -> bool:
        """Make the spare clone of `tree`, if there is one, the one at `target`."""
        with self._lock:
            identity, spare = self._ready.get(base, (None, target))
            if identity is None or identity != btrfs.info(tree).uuid:
                return False
            spare.rename(target)
            del self._ready[base]
        return True

    def make(self, base: str, tree: Path) -> None:
        """Have a spare clone of `tree`, and none of what the base was before. Raises GaolerError."""
        found = btrfs.info(tree)
        with self._lock:
            identity, path = self._ready.get(base, (None, tree))
            if identity == found.uuid or not found.readonly:
                return
            if identity is not None:
                del self._ready[base]
                btrfs.delete(path)
        spare = self._directory / secrets.token_hex(6)
        btrfs.snapshot(tree, spare)
        readahead.bring(spare, READ_AT_START)
        with self._lock:
            if self._ready.setdefault(base, (found.uuid, spare)) != (found.uuid, spare):
                btrfs.delete(spare)  # somebody was faster

    def drop(self, base: str) -> None:
        """Have none of a base. Raises GaolerError."""
        with self._lock:
            _, path = self._ready.pop(base, (None, None))
        if path is not None:
            btrfs.delete(path)
