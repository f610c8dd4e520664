"""Subvolumes, snapshots and disk limits of a btrfs file system.

Paths given here lie in directories that only root writes. What lies *in* a subvolume may be hostile, and is never
walked.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from gaoler.errors import Failed, NotFound
from gaoler.host import libc
from gaoler.host.btrfs import ioctl
from gaoler.host.btrfs.ioctl import explained
from gaoler.host.command import run

Quotas = Literal["simple", "full"]


@dataclass(frozen=True)
class SubvolumeInfo:
    id: int
    uuid: UUID
    generation: int  # the last transaction that changed it
    readonly: bool
    parent_uuid: UUID | None  # of what it is a snapshot of
    made: float = 0.0  # seconds since the epoch


@dataclass(frozen=True)
class Quota:
    """Bytes that one subvolume has, as the quotas that are on count, and how many it may."""

    used: int
    limit: int | None
    exclusive: int = 0
    """What no other subvolume has; the same as `used` for simple quotas."""


def is_btrfs(path: Path) -> bool:
    """Whether the file system that holds `path` is btrfs."""
    try:
        return libc.file_system(path) == ioctl.SUPER_MAGIC
    except OSError as error:
        raise NotFound(f"can't look at {path}", error.strerror or str(error), "gaol doctor") from None


def uuid(path: Path) -> UUID:
    """Of the file system that holds the directory `path`. Raises GaolerError."""
    with _calling(f"can't look at {path}"), _directory(path) as directory:
        return UUID(bytes=ioctl.filesystem(directory))


def is_subvolume(path: Path) -> bool:
    """Whether `path` itself (no symbolic link to one) is a subvolume's root."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return found.st_ino == ioctl.FIRST_FREE_OBJECTID and path.is_dir() and is_btrfs(path)


def create(path: Path) -> None:
    """Make an empty subvolume."""
    with _calling(f"can't make subvolume {path}"), _directory(path.parent) as parent:
        ioctl.create(parent, path.name)


def snapshot(src: Path, dst: Path, *, readonly: bool = False) -> None:
    """Clone subvolume `src` as `dst`, which must not exist; both stay on their own from then on."""
    with (
        _calling(f"can't clone {src} to {dst}"),
        _directory(src) as source,
        _directory(dst.parent) as parent,
    ):
        _must_be_subvolume(source, src)
        ioctl.snapshot(source, parent, dst.name, readonly)


def delete(path: Path) -> None:
    """Delete a subvolume and those inside it; nothing when it is gone already.

    The space comes back in the background. The deletion holds over a power cut only after `sync`.
    """
    try:
        with _calling(f"can't delete subvolume {path}"), _directory(path) as top:
            _must_be_subvolume(top, path)
            identity = ioctl.subvolume_info(top)[0]
            if ioctl.flags(top) & ioctl.SUBVOL_RDONLY:
                ioctl.set_flags(top, 0)  # or subvolumes inside could not be unlinked
            _delete_nested(top, identity)
            with _directory(path.parent) as parent:
                ioctl.destroy(parent, identity)
    except NotFound:
        pass


def set_readonly(path: Path, flag: bool) -> None:
    with _calling(f"can't change {path}"), _directory(path) as subvolume:
        _must_be_subvolume(subvolume, path)
        ioctl.set_flags(subvolume, ioctl.SUBVOL_RDONLY if flag else 0)


def info(path: Path) -> SubvolumeInfo:
    with _calling(f"can't look at {path}"), _directory(path) as subvolume:
        _must_be_subvolume(subvolume, path)
        identity, generation, uuid, parent = ioctl.subvolume_info(subvolume)
        flags, made = ioctl.flags(subvolume), ioctl.made(subvolume)
    return SubvolumeInfo(
        id=identity,
        uuid=UUID(bytes=uuid),
        generation=generation,
        readonly=bool(flags & ioctl.SUBVOL_RDONLY),
        parent_uuid=UUID(bytes=parent) if any(parent) else None,
        made=made,
    )


def sync(path: Path) -> None:
    """Return when all that was done to this file system would survive a power cut."""
    with _calling(f"can't commit {path}"), _directory(path) as directory:
        ioctl.sync(directory)


def enable_quotas(path: Path, kind: Quotas = "simple") -> None:
    """Turn quotas on; those that are on already stay as they are.

    Simple ones (Linux 6.7) charge to a subvolume what it writes, and not what it shares. Full ones count all that it
    refers to, and cost most of a second of processor time each time a clone is deleted (docs/decisions/0007).
    """
    with _directory(path) as directory:
        try:
            ioctl.enable_quotas(directory, simple=kind == "simple")
        except OSError as error:
            if error.errno == errno.EEXIST:
                return
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY):
                raise Failed(
                    "can't limit disks", f"this kernel ({os.uname().release}) has no btrfs simple quotas",
                    'store.quotas = "full", in /etc/gaoler/gaoler.toml; or boot Linux 6.7 or newer',
                ) from error  # fmt: skip
            raise explained("can't limit disks", error) from error


def quotas(path: Path) -> Quotas | None:
    """Which quotas are on in the file system of subvolume `path`; None where none are."""
    with _calling(f"can't look at {path}"), _directory(path) as subvolume:
        try:
            status = _qgroup_item(subvolume, ioctl.QGROUP_STATUS_KEY, 0)
        except FileNotFoundError:  # no quota tree
            return None
    if status is None:
        return None
    return "simple" if int.from_bytes(status[16:24], "little") & ioctl.QGROUP_STATUS_SIMPLE_MODE else "full"


def wait_counted(path: Path, timeout: float) -> None:
    """Return when full quotas have counted what was there before them: until then a subvolume's share is not known.

    `timeout` is in seconds. Raises Failed after it.
    """
    deadline = time.monotonic() + timeout
    with _calling(f"can't look at {path}"), _directory(path) as directory:
        while ioctl.rescanning(directory):
            if time.monotonic() > deadline:
                raise Failed("can't limit disks", "the store's files are still being counted", "sleep 60")
            time.sleep(0.02)  # the kernel's own wait for it has no end but a signal


def set_limit(path: Path, size: int | None) -> None:
    """Let subvolume `path` hold at most `size` bytes, as the quotas that are on count; None lifts the limit."""
    with _calling(f"can't limit {path}"), _directory(path) as subvolume:
        _must_be_subvolume(subvolume, path)
        ioctl.limit_qgroup(subvolume, ioctl.subvolume_info(subvolume)[0], size)


def charge(path: Path, group: int, size: int | None, everybody: int | None = None) -> None:
    """Count what subvolume `path` writes to a group of subvolumes, which hold at most `size` bytes together, and to no other.

    `everybody` is how many bytes all such groups hold at most; None for any number.

    It counts for as long as it is there, in snapshots and clones too that outlive the subvolume. For simple quotas.
    """
    parent = ioctl.qgroup(group)
    # The calls go to the directory beside it: a subvolume whose group is full takes none.
    with _calling(f"can't limit {path}"), _directory(path) as subvolume, _directory(path.parent) as beside:
        _must_be_subvolume(subvolume, path)
        with suppress(FileExistsError):
            ioctl.create_qgroup(beside, parent)
        ioctl.limit_qgroup(beside, parent, size)
        identity = ioctl.subvolume_info(subvolume)[0]
        with suppress(FileExistsError):
            ioctl.assign_qgroup(beside, identity, parent)
        for former in ioctl.qgroups_of(subvolume, identity):
            if former != parent:
                with suppress(FileNotFoundError):
                    ioctl.assign_qgroup(beside, identity, former, assign=False)
        if everybody is None:
            return
        with suppress(FileExistsError):
            ioctl.create_qgroup(beside, ioctl.QGROUP_OF_ALL)
        ioctl.limit_qgroup(beside, ioctl.QGROUP_OF_ALL, everybody)
        with suppress(FileExistsError):
            ioctl.assign_qgroup(beside, parent, ioctl.QGROUP_OF_ALL)


def quota(path: Path) -> Quota | None:
    """What subvolume `path` has written and may write; None while quotas are off.

    As it is now, with what waits to be written, which is what the limit is compared with; where the kernel does not tell that
    (before Linux 5.9), as of the last commit.
    """
    with _calling(f"can't look at {path}"), _directory(path) as subvolume:
        _must_be_subvolume(subvolume, path)
        identity = ioctl.subvolume_info(subvolume)[0]
        now = _counted(UUID(bytes=ioctl.filesystem(subvolume)), f"0_{identity}")
        if now:
            return now
        try:
            charged = _qgroup_item(subvolume, ioctl.QGROUP_INFO_KEY, identity)
            limits = _qgroup_item(subvolume, ioctl.QGROUP_LIMIT_KEY, identity)
        except FileNotFoundError:  # no quota tree
            return None
    if charged is None:
        return None
    limit = None
    if limits is not None and limits[0] & ioctl.QGROUP_LIMIT_MAX_RFER:
        limit = int.from_bytes(limits[8:16], "little")
    used, exclusive = (int.from_bytes(charged[at : at + 8], "little") for at in (8, 24))
    return Quota(used, limit, exclusive)


def group(any_directory: Path, number: int) -> Quota | None:
    """What the subvolumes that are charged to a group hold together, and may; None where nothing counts it."""
    with _calling(f"can't look at {any_directory}"), _directory(any_directory) as directory:
        return _counted(UUID(bytes=ioctl.filesystem(directory)), f"1_{number}")


def _counted(filesystem: UUID, name: str) -> Quota | None:
    """What the kernel counts in memory, as sysfs tells it."""
    group = f"/sys/fs/btrfs/{filesystem}/qgroups/{name}"

    def number(name: str) -> int:
        with open(f"{group}/{name}", "rb", buffering=0) as file:
            return int(file.read(32))

    try:
        used = sum(number(name) for name in ("referenced", "rsv_data", "rsv_meta_prealloc", "rsv_meta_pertrans"))
        limit = number("max_referenced") if number("limit_flags") & ioctl.QGROUP_LIMIT_MAX_RFER else None
        return Quota(used, limit, number("exclusive"))
    except OSError:
        return None


def make_filesystem(device_or_image: Path, label: str = "gaoler") -> None:
    """Make an empty btrfs file system; refuses to overwrite one that is there."""
    run(["mkfs.btrfs", "--quiet", "--label", label, str(device_or_image)])


def _delete_nested(top: int, identity: int) -> None:
    """Delete the subvolumes below one, deepest first, found in the tree of roots rather than by walking."""
    children = [
        key[2]
        for key, _ in ioctl.search(
            top,
            ioctl.ROOT_TREE,
            (identity, ioctl.ROOT_REF_KEY, 0),
            (identity, ioctl.ROOT_REF_KEY, 2**64 - 1),
        )
    ]
    for child in children:
        _delete_nested(top, child)
        ioctl.destroy(top, child)


def _qgroup_item(any_directory: int, kind: int, subvolume_id: int) -> bytes | None:
    key = (0, kind, subvolume_id)
    return next((item for _, item in ioctl.search(any_directory, ioctl.QUOTA_TREE, key, key)), None)


def _must_be_subvolume(fd: int, path: Path) -> None:
    if os.fstat(fd).st_ino != ioctl.FIRST_FREE_OBJECTID:
        raise Failed(
            f"{path} is not a btrfs subvolume",
            "it is another kind of file, or on another file system",
            f"btrfs subvolume show {path}",
        )


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise explained(f"can't open {path}", error) from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _calling(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise explained(what, error) from error
