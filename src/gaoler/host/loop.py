"""The embedded store: a btrfs file system in a sparse file, on a loop device."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import btrfs
from gaoler.host.command import run

_MAGIC_OFFSET, _MAGIC = 0x10040, b"_BHRfS_M"  # in btrfs' first superblock


def ensure_store_image(path: Path, size: int) -> None:
    """Make a sparse image of `size` bytes with an empty btrfs in it; one that is there stays, bigger or smaller.

    It takes space as it fills, and gives back what is deleted (discard).
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under its own name only when it is whole: a power cut leaves no half-made store.
    unfinished = path.with_name(f"{path.name}.new")
    try:
        with open(unfinished, "wb", opener=_private) as file:
            file.truncate(size)
        btrfs.make_filesystem(unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise Failed(f"can't make the store's image {path}", error.strerror or str(error), f"df {path.parent}") from error
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def has_btrfs(path: Path) -> bool:
    """Whether there is a btrfs on a device or in an image."""
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_OFFSET)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise Failed(f"can't read {path}", error.strerror or str(error), "gaol doctor") from error


def attach_loop(image: Path) -> Path:
    """The loop device of an image, the one that it has already or a new one.

    With direct I/O, so that the store's pages are cached once and not twice.
    """
    options = ["--find", "--show", "--nooverlap", "--direct-io=on"]
    return Path(run(["losetup", *options, str(image)]).stdout.strip())


def grow(image: Path, device: Path, size: int) -> None:
    """Let an image, and the loop device that it is attached to, be larger. Raises Failed."""
    try:
        os.truncate(image, size)
    except OSError as error:
        raise Failed(f"can't make {image} larger", error.strerror or str(error), f"df {image.parent}") from error
    run(["losetup", "--set-capacity", str(device)])


def detach_loop(device: Path) -> None:
    """Let go of a loop device that nothing is mounted from."""
    run(["losetup", "--detach", str(device)])


def devices_of(image: Path) -> list[Path]:
    """The loop devices that an image is attached to."""
    listed = run(["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]).stdout
    return [Path(name) for name in listed.split()]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
