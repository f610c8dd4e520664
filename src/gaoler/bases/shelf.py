"""Bases: the master trees that gaols are cloned from, in read-only generations; /uml/NAME is the current one.

A base's directory, below the store's private one, holds its generations (subvolumes 1, 2, ...), a note beside each
(1.json, ...), `recipe.json`, `last.json`, and, while a sync works, `incoming`: a writable clone of the newest
generation. /uml/NAME is a read-only snapshot of one generation, exchanged in one step; which one it is of, the file
system itself tells (the snapshot's parent), so that there are no two truths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gaoler.bases.history import Attempt, Defaults, Generation, Recipe
from gaoler.errors import NotFound
from gaoler.host import btrfs
from gaoler.store.names import RESERVED, base_name
from gaoler.store.paths import Paths


@dataclass(frozen=True)
class Base:
    name: str
    generation: str | None
    """None for a plain directory that an administrator put there."""
    created: float
    source: str | None
    held: bool
    """Rolled back: syncs at intervals leave it alone until somebody syncs it."""
    last: Attempt | None


class Shelf:
    """What is known of the bases of one store. Nothing is changed here."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def all(self) -> Iterator[Base]:
        for entry in sorted(os.scandir(self.paths.store), key=lambda entry: entry.name):
            is_other = entry.name in RESERVED or entry.name.startswith(".")
            if entry.is_dir(follow_symlinks=False) and not is_other:
                yield self._describe(Path(entry.path))

    def find(self, name: str) -> Base:
        """Raises NotFound, naming what there is."""
        tree = self.paths.store / base_name(name)
        if not tree.is_dir() or tree.is_symlink():
            there = ", ".join(base.name for base in self.all()) or "none yet"
            raise NotFound(f'no base "{name}"', f"this host has: {there}", "gaol base ls, or as administrator gaol base add")
        return self._describe(tree)

    def _describe(self, tree: Path) -> Base:
        name = tree.name
        current = self._current(name)
        note = Generation.read(self._directory(name) / f"{current}.json") if current else None
        recipe = self.recipe(name)
        return Base(
            name,
            current,
            note.created if note else tree.stat().st_mtime,
            note.source if note else str(recipe) if recipe else None,
            self._held(name).exists(),
            self.last(name),
        )

    def last(self, name: str) -> Attempt | None:
        """How its last sync ended."""
        return Attempt.read(self._directory(name) / "last.json")

    def is_taken(self, name: str) -> bool:
        """Whether there is a base of that name, or one is being made, or something that is not a base."""
        return self._directory(name).exists() or os.path.lexists(self.paths.store / name)

    def unfinished(self) -> list[str]:
        """Names of bases whose first sync works, or was cut short: what has come is kept for the next one."""
        there = sorted(os.listdir(self.paths.generations))
        return [name for name in there if not os.path.lexists(self.paths.store / name)]

    def recipe(self, name: str) -> Recipe | None:
        return Recipe.read(self._directory(name) / "recipe.json")

    def defaults(self, name: str) -> Defaults:
        return Defaults.read(self._directory(name) / "defaults.json") or Defaults()

    def note(self, base: Base) -> Generation | None:
        """What is known of its current generation."""
        return Generation.read(self._directory(base.name) / f"{base.generation}.json") if base.generation else None

    def history(self, name: str) -> list[Generation]:
        """The generations that are there, oldest first."""
        notes = (Generation.read(self._directory(name) / f"{number}.json") for number in self._generations(name))
        return [note for note in notes if note]

    def _directory(self, name: str) -> Path:
        return self.paths.generations / name

    def _held(self, name: str) -> Path:
        return self._directory(name) / "held"

    def _generations(self, name: str) -> list[str]:
        directory = self._directory(name)
        if not directory.is_dir():
            return []
        return sorted((entry for entry in os.listdir(directory) if entry.isdigit()), key=int)

    def _current(self, name: str) -> str | None:
        """The generation that /uml/NAME is a snapshot of."""
        shown = self.paths.store / name
        if not self._generations(name) or not btrfs.is_subvolume(shown):
            return None
        parent = btrfs.info(shown).parent_uuid
        for number in reversed(self._generations(name)):
            if btrfs.info(self._directory(name) / number).uuid == parent:
                return number
        return None

    def newer(self, name: str, generation: str) -> str | None:
        """The current generation, where it is newer than one that a machine came from."""
        current = self._current(name)
        return current if current and int(current) > int(generation) else None

    def newest(self, name: str) -> Path | None:
        generations = self._generations(name)
        return self._directory(name) / generations[-1] if generations else None

    def _incoming(self, name: str) -> Path:
        return self._directory(name) / "incoming"

    def has_incoming(self, name: str) -> bool:
        """Whether a sync was cut short, and has left what the next one goes on with."""
        return self._incoming(name).exists()
