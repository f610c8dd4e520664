"""Mount the store, and see what is mounted."""

from __future__ import annotations

import os
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import libc
from gaoler.host.command import run

# Trees with setuid programs and device nodes of machines lie there: neither may work for the host.
_OPTIONS = "nosuid,nodev,noatime"


def mount_store(source: Path, target: Path, options: str = _OPTIONS) -> None:
    """Mount a btrfs; nothing when something is mounted there already."""
    if is_mounted(target):
        return
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    run(["mount", "-t", "btrfs", "-o", options, str(source), str(target)])


def unmount(target: Path) -> None:
    """Unmount; nothing when nothing is mounted there. A loop device stays: loop.detach_loop."""
    if not is_mounted(target):
        return
    try:
        libc.umount(target)
    except OSError as error:
        raise Failed(f"can't unmount {target}", error.strerror or str(error), f"fuser -vm {target}") from error


def is_mounted(path: Path) -> bool:
    """Whether `path` is itself a mount point (a subvolume isn't one, though it has a device number of its own)."""
    wanted = os.path.realpath(path)
    with Path("/proc/self/mountinfo").open("rb") as table:
        return any(_unescaped(line.split(b" ")[4]) == os.fsencode(wanted) for line in table)


def _unescaped(field: bytes) -> bytes:
    """Space, tab, newline and backslash are octal in mountinfo."""
    for character in (b" ", b"\t", b"\n", b"\\"):
        field = field.replace(b"\\%03o" % ord(character), character)
    return field
