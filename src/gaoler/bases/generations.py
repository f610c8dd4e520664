"""The making of bases: the next generation is filled beside those that are there, and shown in one step (shelf.py)."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gaoler.bases.ahead import Spares
from gaoler.bases.history import Attempt, Defaults, Generation, Recipe
from gaoler.bases.shelf import Base, Shelf
from gaoler.bases.tree import has_desktop
from gaoler.errors import Failed, NotAllowed, NotFound
from gaoler.host import btrfs
from gaoler.host.command import run
from gaoler.host.rename import exchange
from gaoler.store.names import base_name
from gaoler.store.paths import Paths


class Bases(Shelf):
    """The bases of one store, and what is done with them."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        self.spares = Spares(paths.spares)
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    # cloning

    def clone(self, base: Base, target: Path) -> None:
        """A writable copy-on-write copy at `target`: a snapshot, or reflinks where the base isn't a subvolume."""
        tree = self._tree(base)
        if btrfs.is_subvolume(tree):
            if not self.spares.take(base.name, tree, target):
                btrfs.snapshot(tree, target)
            return
        with ExitStack() as undo:
            btrfs.create(target)
            undo.callback(btrfs.delete, target)
            run(["cp", "-a", "--reflink=always", "--", f"{tree}/.", str(target)])
            undo.pop_all()

    def clone_ahead(self, name: str) -> None:
        """Have a clone of the base as it is now at hand for the next machine. Raises GaolerError."""
        base = self.find(name)
        if base.generation:
            self.spares.make(name, self._tree(base))

    def has_desktop(self, base: Base) -> bool:
        """Whether machines that are cloned from it now have a desktop."""
        return has_desktop(self._tree(base))

    def _tree(self, base: Base) -> Path:
        return self._directory(base.name) / base.generation if base.generation else self.paths.store / base.name

    # making

    @contextmanager
    def updating(self, name: str) -> Iterator[int]:
        """The right to change a base; the descriptor of a lock that whoever writes its tree is to hold as well.

        Raises Failed while somebody else has it. Programs of a daemon that was killed are waited for: they die with it.
        """
        with self._lock:
            if base_name(name) in self._busy:
                raise Failed(f'a sync of "{name}" is under way', "there is never more than one of a base", "gaol base ls")
            self._busy.add(name)
        try:
            directory = self._directory(name)
            where = self.paths.store / name
            if os.path.lexists(where) and not self._generations(name):
                raise Failed(f'"{name}" is taken', f"gaoler did not make {where}", "gaol base ls")
            directory.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                btrfs.delete(self._next(name))  # of a daemon that was killed in `_show`
                yield lock
            finally:
                os.close(lock)
                if not self._generations(name) and not self._incoming(name).exists():
                    shutil.rmtree(directory, ignore_errors=True)  # its first sync came to nothing, or it was removed
        finally:
            with self._lock:
                self._busy.discard(name)

    def is_updating(self, name: str) -> bool:
        with self._lock:
            return name in self._busy

    def incoming(self, name: str) -> Path:
        """The subvolume to make the next generation in. Only while `updating`.

        It is what a sync that was cut short has left, else a clone of the newest generation, an empty one for the first.
        """
        tree = self._incoming(name)
        if tree.exists():
            btrfs.set_readonly(tree, False)
        elif self._generations(name):
            btrfs.snapshot(self._directory(name) / self._generations(name)[-1], tree)
        else:
            btrfs.create(tree)
        return tree

    def put_incoming(self, name: str, tree: Path) -> None:
        """Take a subvolume that was made elsewhere in the store as the next generation's."""
        btrfs.delete(self._incoming(name))
        tree.rename(self._incoming(name))

    def discard(self, name: str) -> None:
        """Drop what `incoming` made."""
        btrfs.delete(self._incoming(name))

    def aside(self, name: str) -> Path:
        """A path beside the generations for work of a sync; the caller removes it, and so does the next one."""
        path = self._directory(name) / "aside"
        remove_tree(path)
        return path

    def save_recipe(self, name: str, recipe: Recipe) -> None:
        recipe.write(self._directory(name) / "recipe.json")

    def save_defaults(self, name: str, defaults: Defaults) -> None:
        """Raises NotFound, and NotAllowed where it is a plain directory: there is no place for them."""
        self.find(name)
        if not self._generations(name):
            where = self.paths.store / name
            raise NotAllowed(f'base "{name}" was not made by gaoler', "it is a plain directory", f"ls -la {where}")
        defaults.write(self._directory(name) / "defaults.json")

    def save_attempt(self, name: str, attempt: Attempt) -> None:
        if self._directory(name).is_dir():
            attempt.write(self._directory(name) / "last.json")

    def publish(self, name: str, note: Callable[[str], Generation]) -> Base:
        """Make `incoming`, which is finished, the newest generation and the current one. Only while `updating`."""
        directory = self._directory(name)
        number = str(max(map(int, self._generations(name)), default=0) + 1)
        btrfs.set_readonly(self._incoming(name), True)
        note(number).write(directory / f"{number}.json")
        self._incoming(name).rename(directory / number)
        self._show(name, number)
        self._held(name).unlink(missing_ok=True)
        return self.find(name)

    def show_newest(self, name: str) -> bool:
        """Make the newest generation current; says whether it was not. Only while `updating`."""
        newest = self._generations(name)[-1]
        self._held(name).unlink(missing_ok=True)
        if self._current(name) == newest:
            return False
        self._show(name, newest)
        return True

    def rollback(self, name: str, generation: str | None) -> Base:
        """Make an older generation current (None: the one before), and hold it. Raises NotFound. Only while `updating`."""
        base, there = self.find(name), self._generations(name)
        if generation is None and base.generation in there[1:]:
            generation = there[there.index(base.generation) - 1]
        if generation is None or generation not in there:
            which = f"generation {generation[:20]}" if generation else "older generation"
            listed = ", ".join(there) or "none"
            raise NotFound(f'no {which} of "{name}"', f"there are: {listed}", f"gaol base history {name}")
        self._held(name).touch()
        self._show(name, generation)
        return self.find(name)

    def _next(self, name: str) -> Path:
        """Beside /uml/NAME, not in staging: a read-only directory can't be moved to another parent."""
        return self.paths.store / f".{name}.next"

    def _show(self, name: str, generation: str) -> None:
        """The atomic step: /uml/NAME is the former generation before, and this one after."""
        current = self.paths.store / name
        shown = self._next(name)
        btrfs.sync(self.paths.store)  # the generation is on disk before the name is
        if current.exists():
            btrfs.snapshot(self._directory(name) / generation, shown, readonly=True)
            exchange(shown, current)
            btrfs.delete(shown)  # the former one
        else:
            btrfs.snapshot(self._directory(name) / generation, current, readonly=True)
        btrfs.sync(self.paths.store)

    # removing

    def remove(self, name: str) -> None:
        """Remove a base with all its generations, or what a first sync has left. Machines keep what they have.

        Raises NotFound, NotAllowed, and Failed while a sync works.
        """
        unfinished = base_name(name) in self.unfinished()
        if not unfinished:
            self.find(name)
            if not self._generations(name):
                where = self.paths.store / name
                raise NotAllowed(f'base "{name}" was not made by gaoler', "it is a plain directory", f"ls -la {where}")
        with self.updating(name):
            btrfs.delete(self.paths.store / name)
            self._remove_directory(name)

    def _remove_directory(self, name: str) -> None:
        self.spares.drop(name)
        directory = self._directory(name)
        for tree in [*self._generations(name), "incoming", "aside"]:
            remove_tree(directory / tree)
        shutil.rmtree(directory)

    def prune(self, name: str, used: set[str], keep: int) -> list[str]:
        """Delete generations that no machine came from, but for the current and the newest `keep`; says which."""
        kept = {*used, self._current(name), *self._generations(name)[-keep:]}
        gone = [number for number in self._generations(name) if number not in kept]
        for number in gone:
            btrfs.delete(self._directory(name) / number)
            (self._directory(name) / f"{number}.json").unlink(missing_ok=True)
        return gone


def remove_tree(path: Path) -> None:
    """A subvolume, or a directory of ours with subvolumes in it; what is in those is not walked."""
    if btrfs.is_subvolume(path):
        btrfs.delete(path)
    elif path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            remove_tree(entry)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
