"""Subvolumes as streams: `btrfs send` and `btrfs receive`.

A stream is made by whoever keeps it, and may be hostile: it is received by a program that is confined to one directory (chroot),
in which its parents must lie, too. It carries checksums of its own, so that one that was damaged or cut short is refused.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from gaoler.errors import Failed
from gaoler.host.btrfs import ioctl
from gaoler.host.btrfs.ioctl import explained

T = TypeVar("T")


def send(tree: Path, parent: Path | None, output: int) -> subprocess.Popen[bytes]:
    """Begin to write a read-only subvolume to a descriptor, as what changed since `parent` where there is one."""
    words = ["btrfs", "send", "--quiet", *(["-p", str(parent)] if parent else []), str(tree)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, start_new_session=True)


def receive(directory: Path, given: int) -> subprocess.Popen[bytes]:
    """Begin to make a subvolume in a directory, of the stream that a descriptor gives."""
    words = ["btrfs", "receive", "--quiet", "--chroot", str(directory)]
    return subprocess.Popen(words, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def ended(process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for either. Raises Failed with its own words."""
    assert process.stderr is not None
    with process:
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        told = [line.removeprefix("ERROR: ") for line in said.splitlines() if not line.startswith("Chroot to ")]
        raise Failed(what, "; ".join(told[-3:]) or f"btrfs ended with {process.returncode}", "gaol store info")


def received_as(tree: Path) -> UUID | None:
    """Of what a received subvolume is the copy. Raises GaolerError."""
    found = _on(tree, ioctl.received_uuid)
    return UUID(bytes=found) if any(found) else None


def mark_received(tree: Path, original: UUID, transaction: int) -> None:
    """Have a writable subvolume pass for the copy of another one, which it is: streams that build on that one find it."""
    _on(tree, lambda descriptor: ioctl.set_received(descriptor, original.bytes, transaction))


def _on(tree: Path, call: Callable[[int], T]) -> T:
    try:
        descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise explained(f"can't open {tree}", error) from error
    try:
        return call(descriptor)
    except OSError as error:
        raise explained(f"can't look at {tree}", error) from error
    finally:
        os.close(descriptor)
