"""System calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# The same on every architecture: Linux gave new calls one number each from 2019 on (asm-generic/unistd.h).
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

# Of x86-64, which User-Mode Linux is made for.
_SYS_SETGROUPS = 116
_SYS_PIVOT_ROOT = 155
_SYS_BPF = 321

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
# linux/personality.h
_ASK, _ADDR_NO_RANDOMIZE = 0xFFFFFFFF, 0x0040000
# linux/mount.h
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MNT_DETACH = 2
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOUNT_ATTR_IDMAP = 0x00100000
_MOVE_MOUNT_F_EMPTY_PATH = 0x00000004
_AT_EMPTY_PATH = 0x1000
_AT_FDCWD = -100
# linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10
_RENAME_EXCHANGE = 2
_STATFS_WORDS = 32  # struct statfs, with room to spare; its first field is the type
# linux/stat.h
_STATX_INO, _STATX_BTIME = 0x100, 0x800
_STATX_SIZE = 256
_AT_NO_AUTOMOUNT = 0x800
# sys/inotify.h
_IN_MOVED_TO, _IN_CLOSE_WRITE = 0x80, 0x8
_WALKS = 1000


@contextmanager
def no_random_addresses() -> Iterator[None]:
    """What the calling thread starts meanwhile has its memory at the same addresses each time (personality(2))."""
    before = _libc.personality(_ASK)
    _check(_libc.personality(before | _ADDR_NO_RANDOMIZE), "personality")
    try:
        yield
    finally:
        _libc.personality(before)


def unshare(flags: int) -> None:
    """Put the calling thread into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Put the calling thread into the namespace behind a descriptor."""
    _check(_libc.setns(fd, kind), "setns")


@contextmanager
def file_access_of(uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
    """Let the calling thread, no other, reach files as a user, without root's capabilities over files (setfsuid(2))."""
    before = os.getgroups()
    _set_groups(groups)
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(os.geteuid())
        _libc.setfsgid(os.getegid())
        _set_groups(before)


def _set_groups(groups: Sequence[int]) -> None:
    """Of this thread; the C library's function changes all threads."""
    numbers = struct.pack(f"={len(groups)}I", *groups)
    _syscall(_SYS_SETGROUPS, len(groups), numbers, name="setgroups")


def mount(source: str | None, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = (_bytes(source), os.fsencode(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(data))
    _check(_libc.mount(*arguments), str(target))


def umount(target: Path, flags: int = 0) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), str(target))


def openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open a path with limits on what the walk may follow (openat2(2)); close-on-exec.

    A walk through `..` while anything is renamed or mounted on the host ends with EAGAIN, and is to be tried again.
    """
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, resolve)
    for _ in range(_WALKS):
        with suppress(BlockingIOError):
            return _syscall(_SYS_OPENAT2, directory, os.fsencode(path), how, len(how), name=path)
    return _syscall(_SYS_OPENAT2, directory, os.fsencode(path), how, len(how), name=path)


def open_tree(path: Path) -> int:
    """A detached clone of the mount at `path`."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    return _syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags, name=str(path))


def mount_setattr_idmap(tree: int, user_namespace: int) -> None:
    """Give a detached mount the ids of a user namespace."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    _syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes), name="mount_setattr")


def move_mount(tree: int, target: Path) -> None:
    """Attach a detached mount."""
    arguments = (tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _syscall(_SYS_MOVE_MOUNT, *arguments, name=str(target))


def pivot_root(new: Path, old: Path) -> None:
    """Make `new` the root of this mount namespace, and put the former one at `old`."""
    _syscall(_SYS_PIVOT_ROOT, os.fsencode(new), os.fsencode(old), name="pivot_root")


def prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def exchange(one: Path, other: Path) -> None:
    """Exchange two names of a file system in one step; both must exist (renameat2(2))."""
    _check(_libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE), str(one))


def birth(path: Path) -> tuple[int, int]:
    """The inode behind a path, and when that was made, in nanoseconds; 0 where the file system doesn't say (statx(2))."""
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    mask = _STATX_INO | _STATX_BTIME
    _check(_libc.statx(_AT_FDCWD, os.fsencode(path), _AT_NO_AUTOMOUNT, mask, buffer), str(path))
    given, inode, seconds, fraction = struct.unpack_from("=I28xQ40xqI", buffer)
    return inode, seconds * 1_000_000_000 + fraction if given & _STATX_BTIME else 0


def watch_directory(path: Path) -> int:
    """A descriptor that is readable when a file in a directory was written, or replaced (inotify(7)). The caller's to close."""
    descriptor: int = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    _check(descriptor, "inotify")
    try:
        _check(_libc.inotify_add_watch(descriptor, os.fsencode(path), _IN_MOVED_TO | _IN_CLOSE_WRITE), str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def ioctl(descriptor: int, number: int, buffer: bytearray) -> None:
    """Other threads run meanwhile; with fcntl.ioctl none does while a call has a buffer of more than 1,024 bytes."""
    place = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    _check(_libc.ioctl(descriptor, ctypes.c_ulong(number), place), "ioctl")


def bpf(command: int, attributes: bytes) -> int:
    """Ask the kernel for a map or a program of its own; mostly a descriptor comes. `attributes` begin as union bpf_attr does."""
    return _syscall(_SYS_BPF, command, attributes, len(attributes), name="bpf")


def file_system(path: Path) -> int:
    """The type of the file system that holds `path`, a magic number (statfs(2))."""
    buffer = (ctypes.c_long * _STATFS_WORDS)()
    _check(_libc.statfs(os.fsencode(path), ctypes.byref(buffer)), str(path))
    return buffer[0]


def _syscall(number: int, *arguments: int | bytes, name: str) -> int:
    passed = [ctypes.c_long(one) if isinstance(one, int) else ctypes.c_char_p(one) for one in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *passed)
    _check(result, name)
    return result


def _check(result: int, name: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)
