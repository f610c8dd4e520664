"""Block devices and images: what is on one, how large it is, and which ones a mounted btrfs is on."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from gaoler.errors import Failed, NotFound
from gaoler.host.btrfs import devices

_SYS = Path("/sys/dev/block")


@dataclass(frozen=True)
class Content:
    """What a device or an image holds, as libblkid knows it: `btrfs`, `ext4`, `a gpt partition table`; "" for nothing."""

    kind: str
    uuid: UUID | None = None

    @property
    def is_btrfs(self) -> bool:
        return self.kind == "btrfs"


def content(path: Path) -> Content:
    """Look at the device or image itself, not at what udev remembers of it. Raises NotFound, Failed."""
    if not path.exists():
        raise NotFound(f"there is no {path}", "no such file or device", "lsblk")
    words = ["blkid", "--probe", "--output", "export", str(path)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 8:
        return Content("signatures of more than one file system")
    if done.returncode not in (0, 2):  # 2: nothing is there
        raise Failed(f"can't look at {path}", done.stderr.strip() or f"blkid ended with {done.returncode}", f"lsblk {path}")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if "TYPE" in found:
        return Content(found["TYPE"], UUID(found["UUID"]) if found["TYPE"] == "btrfs" and "UUID" in found else None)
    return Content(f"a {found['PTTYPE']} partition table" if "PTTYPE" in found else "")


def must_be_device(path: Path) -> None:
    """Raises NotFound, Failed."""
    try:
        good = stat.S_ISBLK(path.stat().st_mode)
    except OSError as error:
        raise NotFound(f"there is no device {path}", error.strerror or str(error), "lsblk") from None
    if not good:
        raise Failed(f"{path} is not a block device", "it is another kind of file", "lsblk")


def size(path: Path) -> int:
    """Bytes of a device or an image. Raises Failed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"can't read {path}", error.strerror or str(error), f"lsblk {path}") from None
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def sources(mounted: Path) -> list[Path]:
    """The devices that a mounted btrfs is on; not the one that it is being moved to."""
    return [one.path for one in devices.of(mounted) if one.id]


def image_of(device: Path) -> Path | None:
    """The file behind a loop device; None for others."""
    try:
        number = device.stat().st_rdev
        told = (_SYS / f"{os.major(number)}:{os.minor(number)}" / "loop/backing_file").read_text()
    except OSError:
        return None
    return Path(told.removesuffix("\n"))


def same(one: Path, other: Path) -> bool:
    """Whether two paths are of one device or one file."""
    try:
        first, second = one.stat(), other.stat()
    except OSError:
        return False
    if stat.S_ISBLK(first.st_mode) and stat.S_ISBLK(second.st_mode):
        return first.st_rdev == second.st_rdev
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
