"""Bases: the master trees that gaols are cloned from, in read-only generations; /uml/NAME is the current one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import Failed, NotAllowed, NotFound
from gaoler.host import btrfs
from gaoler.host.command import run
from gaoler.host.rename import exchange
from gaoler.machines.names import base_name
from gaoler.machines.paths import Paths

_NOT_BASES = frozenset({"bin", "etc", "lib", "kernels"})
_SOURCE_NOTE = "source"


@dataclass(frozen=True)
class Base:
    name: str
    generation: str | None
    """None for a plain directory that an administrator put there."""
    created: float
    source: str | None


class Bases:
    """The bases of one store."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def all(self) -> Iterator[Base]:
        for entry in sorted(os.scandir(self.paths.store), key=lambda entry: entry.name):
            hidden = entry.name.startswith((".", "lost+found"))
            if entry.is_dir(follow_symlinks=False) and not hidden and entry.name not in _NOT_BASES:
                yield self._describe(Path(entry.path))

    def find(self, name: str) -> Base:
        """Raises NotFound, naming what there is."""
        tree = self.paths.store / base_name(name)
        if not tree.is_dir() or tree.is_symlink():
            there = ", ".join(base.name for base in self.all()) or "none yet"
            raise NotFound(f'no base "{name}"', f"this host has: {there}", f"gaol base add {name}")
        return self._describe(tree)

    def _describe(self, tree: Path) -> Base:
        notes = self.paths.generations / tree.name
        generations = self._generations(tree.name)
        source = None
        with suppress(OSError):
            source = (notes / _SOURCE_NOTE).read_text().strip()
        return Base(tree.name, generations[-1] if generations else None, tree.stat().st_mtime, source)

    def _generations(self, name: str) -> list[str]:
        directory = self.paths.generations / name
        if not directory.is_dir():
            return []
        return sorted((entry for entry in os.listdir(directory) if entry.isdigit()), key=int)

    def clone(self, base: Base, target: Path) -> None:
        """A writable copy-on-write copy at `target`: a snapshot, or reflinks where the base is no subvolume."""
        tree = self.paths.generations / base.name / base.generation if base.generation else self.paths.store / base.name
        if btrfs.is_subvolume(tree):
            btrfs.snapshot(tree, target)
            return
        with ExitStack() as undo:
            btrfs.create(target)
            undo.callback(btrfs.delete, target)
            run(["cp", "-a", "--reflink=always", "--", f"{tree}/.", str(target)])
            undo.pop_all()

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty subvolume to make a tree in; what is left of it afterwards goes."""
        tree = self.paths.staging / f"{base_name(name)}.{secrets.token_hex(4)}"
        btrfs.create(tree)
        try:
            yield tree
        finally:
            if tree.exists():
                btrfs.delete(tree)

    def publish(self, name: str, tree: Path, source: str) -> Base:
        """Make a finished tree in staging the base's new generation: read-only, current by one atomic rename."""
        directory = self.paths.generations / base_name(name)
        current = self.paths.store / name
        if current.exists() and not self._generations(name):
            raise Failed(f'"{name}" is a directory that gaoler did not make', str(current), "take another name")
        directory.mkdir(mode=0o700, exist_ok=True)
        number = str(max(map(int, self._generations(name)), default=0) + 1)
        # Beside the current one: a read-only subvolume can be renamed in its directory, but not out of it (EROFS).
        shown = self.paths.store / f".{name}.new"
        btrfs.delete(shown)  # of a publication that was cut short
        with ExitStack() as undo:
            btrfs.snapshot(tree, shown, readonly=True)
            undo.callback(btrfs.delete, shown)
            btrfs.snapshot(tree, directory / number, readonly=True)
            (directory / _SOURCE_NOTE).write_text(source + "\n")
            if current.exists():
                exchange(shown, current)  # `shown` is the former one now, and goes with the undo
            else:
                shown.rename(current)
        btrfs.sync(self.paths.store)
        return self.find(name)

    def remove(self, name: str, users: list[str]) -> None:
        """Remove a base with all its generations. Machines keep what they have; but those who clone it must be told."""
        base = self.find(name)
        if users:
            raise NotAllowed(f'base "{name}" is in use', f"machines: {', '.join(users)}", "gaol rm them first")
        if base.generation is None:
            raise NotAllowed(
                f'base "{name}" was not made by gaoler', "it is a plain directory", f"rm -r {self.paths.store / name}"
            )
        btrfs.delete(self.paths.store / name)
        for generation in self._generations(name):
            btrfs.delete(self.paths.generations / name / generation)
        shutil.rmtree(self.paths.generations / name)

    def prune(self, used: Callable[[str], set[str]], keep: int = 2) -> None:
        """Delete generations that no machine came from, but for the newest `keep`."""
        for base in self.all():
            for generation in self._generations(base.name)[:-keep]:
                if generation not in used(base.name):
                    btrfs.delete(self.paths.generations / base.name / generation)
