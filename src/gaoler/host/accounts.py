"""The host's own account files, and what tells an account from a later one of the same name and id.

Neither name nor uid does: both are given again. The directory that is its home is another one then, with an inode and a
birth of its own, and so is its password. Accounts of a directory service (LDAP, SSSD) are not in these files: nothing here
tells of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gaoler.host import libc

PASSWD, SHADOW = Path("/etc/passwd"), Path("/etc/shadow")
NO_HOME = "none"
"""Of an account whose home is not there."""
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "tmpfs", "overlay"})
"""File systems that never wait for another host, and whose inodes have a birth."""


@dataclass(frozen=True)
class Entry:
    """An account of this host's own files."""

    name: str
    uid: int
    home: str | None
    """The directory itself, by inode and birth, whatever its path is; None where that can't be told: on a file server, say."""
    secret: str
    """A digest of its password's hash, "" where it has none."""


def signature() -> tuple[int, ...]:
    """Changes when the account files do."""
    found: list[int] = []
    for path in (PASSWD, SHADOW):
        with suppress(OSError):
            status = path.stat()
            found += (status.st_ino, status.st_mtime_ns, status.st_size)
    return tuple(found)


def entries(wanted: set[int]) -> dict[int, Entry]:
    """Those of some ids, by id; the first of an id counts, as for getpwuid(3). Raises OSError."""
    secrets, mounts = _secrets(), _mounts()
    found: dict[int, Entry] = {}
    for line in PASSWD.read_text(errors="surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) < 7 or not fields[2].isdecimal() or int(fields[2]) not in wanted or int(fields[2]) in found:
            continue
        uid = int(fields[2])
        found[uid] = Entry(fields[0], uid, _home(fields[5], mounts), secrets.get(fields[0], ""))
    return found


def _secrets() -> dict[str, str]:
    found = {}
    with suppress(OSError):
        for line in SHADOW.read_text(errors="surrogateescape").splitlines():
            name, _, rest = line.partition(":")
            secret = rest.partition(":")[0].lstrip("!")  # a locked account is the same one
            if len(secret) > 2:
                found[name] = sha256(os.fsencode(secret)).hexdigest()
    return found


def _home(path: str, mounts: list[tuple[str, str]]) -> str | None:
    if not path.startswith("/"):
        return None
    below = [(point, kind) for point, kind in mounts if f"{path}/".startswith(f"{point.rstrip('/')}/")]
    kind = max(below, key=lambda one: len(one[0]), default=("", ""))[1]
    if kind not in _LOCAL:
        return None  # nor is a server asked that may not answer
    try:
        inode, born = libc.birth(Path(path))
    except FileNotFoundError:
        return NO_HOME
    except OSError:
        return None
    return f"{inode}:{born}" if born else None


def _mounts() -> list[tuple[str, str]]:
    """Mount points and their file systems, in the order of mounting; the last of a point is what is seen."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        words = line.split(" ")
        found[words[4].replace("\\040", " ")] = words[words.index("-") + 1]
    return list(found.items())
