"""Mount the store, and see what is mounted."""

from __future__ import annotations

import os
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import btrfs, libc, loop
from gaoler.host.command import run

# Trees with setuid programs and device nodes of machines lie there: neither may work for the host.
_OPTIONS = "nosuid,nodev,noatime"


def ensure_store(target: Path, *, device: Path | None, image: Path, size: int) -> None:
    """Make the store where there is none, on `device` or else in `image` of `size` bytes, and mount it at `target`.

    Does nothing when it is mounted. Raises Failed, also where something else is mounted there or on the device.
    """
    if is_mounted(target):
        if not btrfs.is_btrfs(target):
            raise Failed(
                f"can't use {target} as the store", "what is mounted there is not a btrfs file system", f"findmnt {target}"
            )
        return
    if device is None:
        loop.ensure_store_image(image, size)
        source = loop.attach_loop(image)
    else:
        source = device
        if not loop.has_btrfs(device):
            btrfs.make_filesystem(device)
    mount_store(source, target)


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
    """Whether `path` is itself a mount point (a subvolume is none, though it has a device number of its own)."""
    wanted = os.path.realpath(path)
    with Path("/proc/self/mountinfo").open("rb") as table:
        return any(_unescaped(line.split(b" ")[4]) == os.fsencode(wanted) for line in table)


def _unescaped(field: bytes) -> bytes:
    """Space, tab, newline and backslash are octal in mountinfo."""
    for character in (b" ", b"\t", b"\n", b"\\"):
        field = field.replace(b"\\%03o" % ord(character), character)
    return field
