"""The devices of a mounted btrfs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gaoler.host.btrfs import ioctl
from gaoler.host.btrfs.ioctl import explained


@dataclass(frozen=True)
class Device:
    id: int
    total: int
    """Bytes of it that the file system uses."""
    path: Path


def of(mounted: Path) -> list[Device]:
    """Raises GaolerError."""
    try:
        directory = os.open(mounted, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise explained(f"can't open {mounted}", error) from error
    try:
        return [Device(*one) for one in ioctl.devices(directory)]
    except OSError as error:
        raise explained(f"can't look at {mounted}", error) from error
    finally:
        os.close(directory)
