"""Changes files in a tree that somebody else filled, as root, without leaving it.

A base may come from anywhere, so its directories may be symbolic links to the host's. Every path is resolved by the
kernel with the tree as the root (openat2(2), RESOLVE_IN_ROOT), mounts are not crossed, and what a path ends in is never
followed, opened or waited for: it is removed, or replaced by a new file.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gaoler.host import libc

_RESOLVE = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS | libc.RESOLVE_NO_XDEV
_REWRITTEN_MAX = 4 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK

#: What openat2 says of a path that is not there, or goes where it may not.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)


DEEPEST = 4096
"""Directories below each other. Each takes a descriptor while it is walked; no path to deeper ones can be named at once."""


def walk(top: int, *, leaving: bool = False) -> Iterator[tuple[str, list[str], list[str], int]]:
    """As os.fwalk(dir_fd=top) follows no link, but to any depth that is sane: that one recurses, and ends at a thousand.

    `leaving`: each directory after all below it, rather than before. Raises OSError for a tree that is deeper.
    """
    opened, paths = [os.open(".", _DIRECTORY | os.O_CLOEXEC, dir_fd=top)], ["."]
    try:
        found = _listed(opened[-1])
        below = [list(reversed(found[0]))]
        if not leaving:
            yield paths[-1], *found, opened[-1]
        while opened:
            if below[-1]:
                name = below[-1].pop()
                try:
                    here = os.open(name, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened[-1])
                except OSError as error:
                    if error.errno in _ABSENT:  # it was one when it was listed
                        continue
                    raise
                opened.append(here)
                paths.append(f"{paths[-1]}/{name}")
                if len(opened) > DEEPEST:
                    raise OSError(errno.ENAMETOOLONG, f"a tree of more than {DEEPEST} directories below each other")
                found = _listed(here)
                below.append(list(reversed(found[0])))
                if not leaving:
                    yield paths[-1], *found, here
                continue
            if leaving:
                yield paths[-1], *_listed(opened[-1]), opened[-1]
            below.pop()
            paths.pop()
            os.close(opened.pop())
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _listed(directory: int) -> tuple[list[str], list[str]]:
    """The names of directories, and of all else: links are what they are, wherever they lead."""
    directories: list[str] = []
    others: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            (directories if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    return directories, others


def _remove_directory(name: str, parent: int) -> None:
    """With all it holds, by descriptor, following no link."""
    top = os.open(name, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for _, directories, others, here in walk(top, leaving=True):
            for other in others:
                os.unlink(other, dir_fd=here)
            for directory in directories:
                os.rmdir(directory, dir_fd=here)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def has_programs(root: Path) -> bool:
    """Whether a shell is where one belongs, in a tree that somebody else writes: links are followed inside it."""
    return _has(root, "bin/sh")


def has_desktop(root: Path) -> bool:
    """Whether there is what guest/bin/desktop draws a desktop with."""
    return _has(root, "usr/bin/Xtigervnc")


def _has(root: Path, path: str) -> bool:
    try:
        with Tree(root) as tree:
            return tree.leads_to_file(path)
    except OSError:
        return False


class Tree:
    """A directory tree, by descriptor. Paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    @contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """A descriptor of a directory in the tree; raises OSError where there is none."""
        descriptor = libc.openat2(self._root, path or ".", _DIRECTORY, _RESOLVE)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def names(self, pattern: str) -> list[str]:
        """Paths whose last part matches a shell pattern, such as `etc/ssh/ssh_host_*`; none where there is no such directory."""
        parent, _, last = pattern.rpartition("/")
        try:
            with self.directory(parent) as descriptor:
                found = sorted(fnmatch.filter(os.listdir(descriptor), last))
        except OSError as error:
            if error.errno in _ABSENT:
                return []
            raise
        return [f"{parent}/{name}" if parent else name for name in found]

    def kind(self, path: str) -> int:
        """The file type of what is at a path, itself a link if it is one (stat.S_IFMT); 0 where nothing is."""
        parent, _, name = path.rpartition("/")
        try:
            with self.directory(parent) as descriptor:
                return stat.S_IFMT(os.lstat(name, dir_fd=descriptor).st_mode)
        except OSError as error:
            if error.errno in _ABSENT:
                return 0
            raise

    def leads_to_file(self, path: str) -> bool:
        """Whether a path leads to a regular file, links followed inside the tree. It is not opened."""
        try:
            found = libc.openat2(self._root, path, os.O_PATH, _RESOLVE)
        except OSError as error:
            if error.errno in _ABSENT:
                return False
            raise
        try:
            return stat.S_ISREG(os.fstat(found).st_mode)
        finally:
            os.close(found)

    def size(self, path: str) -> int:
        """Of what is at a path, in bytes."""
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as descriptor:
            return os.lstat(name, dir_fd=descriptor).st_size

    def remove(self, path: str) -> None:
        """Removes what is there: a file, a link itself, or a directory with all it holds."""
        kind = self.kind(path)
        if not kind:
            return
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as descriptor:
            if kind == stat.S_IFDIR:
                _remove_directory(name, descriptor)
            else:
                os.unlink(name, dir_fd=descriptor)

    def empty(self, path: str) -> None:
        """Removes what a directory holds, not the directory."""
        for name in self.names(f"{path}/*"):
            self.remove(name)

    def remove_files(self, path: str) -> None:
        """Removes all below a directory but the directories, whose owners and modes programs rely on."""
        try:
            with self.directory(path) as descriptor:
                for _, _, files, below in walk(descriptor):
                    for name in files:
                        os.unlink(name, dir_fd=below)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise

    def write(self, path: str, content: bytes = b"", mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
        """Puts a new file, of `owner` (uid, gid) or whoever we are, in the place of whatever was there."""
        parent, _, name = path.rpartition("/")
        new = f".{secrets.token_hex(8)}"
        with self.directory(parent) as descriptor:
            if self.kind(path) == stat.S_IFDIR:
                _remove_directory(name, descriptor)
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=descriptor)
            with open(file, "wb") as out:
                if owner:
                    os.fchown(file, *owner)
                os.fchmod(file, mode)
                out.write(content)
            os.rename(new, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> None:
        """Puts what `change` makes of a file in its place, with its owner and mode.

        Nothing is done where no regular file is, or one of more than 4 MB: none that is rewritten is as large.
        """
        found = self.read(path)
        if found is None:
            return
        content, state = found
        changed = change(content)
        if changed != content:
            self.write(path, changed, stat.S_IMODE(state.st_mode), owner=(state.st_uid, state.st_gid))

    def read(self, path: str) -> tuple[bytes, os.stat_result] | None:
        """A regular file of less than 4 MB, with its state; None where there is another thing."""
        if self.kind(path) != stat.S_IFREG:
            return None
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as descriptor:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            with open(file, "rb") as old:
                state = os.fstat(file)
                return (old.read(_REWRITTEN_MAX), state) if state.st_size < _REWRITTEN_MAX else None

    def put_back(self, path: str, other: Tree) -> None:
        """Make a file what it is in another tree; nothing, where there is no file to compare it with."""
        here, there = self.read(path), other.read(path)
        if here and there and here[0] == there[0]:
            return
        self.remove(path)
        if there:
            content, state = there
            self.write(path, content, stat.S_IMODE(state.st_mode), owner=(state.st_uid, state.st_gid))

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Makes the directories of a path that are not there."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            if not self.kind(here):
                with self.directory("/".join(parts[: depth - 1])) as descriptor:
                    os.mkdir(parts[depth - 1], mode, dir_fd=descriptor)
