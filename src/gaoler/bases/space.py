"""Leaves room in the store to the machines that run, whatever a source sends.

A quota of the tree that is being made stops whoever fills it, where the store has quotas; looking at what
is left does so elsewhere, within the second or so that it takes to see it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs
from gaoler.progress import Progress, Report

RESERVE, RESERVE_SHARE = 1 << 30, 20
"""A sync leaves a gigabyte, or a twentieth of a small store."""
_NEXT_TO_NOTHING = 64 << 20
_SIGNS = ("No space left", "Disk quota exceeded", "no space left", "disk quota exceeded")


class NoSpace(Failed):
    """The store has no room for the tree."""

    def __init__(self) -> None:
        super().__init__("the store is nearly full", "the rest is kept for running machines", "gaol store info")


def spare(store: Path) -> int:
    """Bytes that a sync may take; less than 0 where there are none to spare."""
    space = os.statvfs(store)
    return space.f_bavail * space.f_frsize - min(space.f_blocks * space.f_frsize // RESERVE_SHARE, RESERVE)


def watch(store: Path, report: Report) -> Report:
    """A report that raises NoSpace before a sync takes the room that running machines write to."""

    def look(progress: Progress) -> None:
        if spare(store) < 0:
            raise NoSpace
        report(progress)

    return look


def limit(tree: Path) -> None:
    """Let a subvolume take no more than may be spared now; nothing where this host has no quotas."""
    with suppress(GaolerError):
        quota = btrfs.quota(tree)
        btrfs.set_limit(tree, max(1, spare(tree) + (quota.used if quota else 0)))


def is_full(lines: list[str]) -> bool:
    """Whether a program says that it could not write for want of room."""
    return any(sign in line for line in lines for sign in _SIGNS)


def is_used_up(tree: Path) -> bool:
    """Whether next to nothing more can be written to a subvolume: the store has no room, or its own limit is reached."""
    left = spare(tree)
    with suppress(GaolerError):
        quota = btrfs.quota(tree)
        if quota and quota.limit is not None:
            left = min(left, quota.limit - quota.used)
    return left < _NEXT_TO_NOTHING
