"""Where backups are kept: a directory of this host, or of another one by ssh. What is in it, and putting files into it.

    backup.json                       what the place is called
    trees/UUID.btrfs, UUID.json       a stream, and the tree that it builds on
    machines/OWNER/NAME.ID/TIME.json  a backup: the machine's record, its tree, those of its snapshots

A file has its name only when it is whole. The other host needs a shell and nothing of gaoler's.
"""

from __future__ import annotations

import glob
import json
import os
import stat
import subprocess
from contextlib import contextmanager
from shlex import quote

from gaoler.errors import Failed, NotAllowed, NotFound

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

_NAME = "backup.json"
_LISTED = 'for f in backup.json trees/*.json machines/*/*/*.json; do [ -f "$f" ] && echo "$f" && cat "$f"; done; :'


class Vault:
    """The notes in it are read at once, when it is opened."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.id = ""
        self.trees: dict[str, dict[str, Any]] = {}
        self.backups: list[dict[str, Any]] = []
        """Oldest first."""

    def read(self, notes: Iterator[tuple[str, str]]) -> None:
        for name, text in notes:
            try:
                note = json.loads(text)
                if name == _NAME:
                    self.id = str(note["id"])
                elif name.startswith("trees/"):
                    self.trees[str(note["tree"])] = note
                else:
                    self.backups.append({**note, "file": name})
            except (ValueError, KeyError, TypeError):
                raise Failed(f"{self.place}/{name} can't be read", "it is not a note of a backup's", f"cat {name}") from None
        self.backups.sort(key=lambda one: float(one["taken"]))

    def begin(self) -> None:
        """Have it called something, so that hosts can tell one place of theirs from another."""
        if not self.id:
            self.id = os.urandom(8).hex()
            self.note(_NAME, {"id": self.id, "format": 1})

    def note(self, name: str, content: dict[str, Any]) -> None:
        with self.writing(name) as file:
            file.write(json.dumps(content, indent=1).encode() + b"\n")

    def add(self, name: str, backup: dict[str, Any]) -> None:
        """A backup whose trees are there."""
        self.note(name, backup)
        self.backups.append({**backup, "file": name})

    def needed(self, tree: str) -> list[str]:
        """A tree and all that it builds on, in the order in which they are made. Raises NotFound."""
        found: list[str] = []
        wanted: str | None = tree
        while wanted:
            if wanted not in self.trees or wanted in found:
                why = f"there is no tree {wanted}"
                raise NotFound(f"the backup in {self.place} is not whole", why, "gaol store restore --list")
            found.insert(0, wanted)
            wanted = self.trees[wanted]["parent"]
        return found

    def prune(self, most: int) -> list[str]:
        """Remove all but the newest backups of each machine, and trees that no other one needs; says what was removed."""
        by_machine: dict[str, list[dict[str, Any]]] = {}
        for one in self.backups:
            by_machine.setdefault(one["id"], []).append(one)
        gone = [one for own in by_machine.values() for one in own[:-most]]
        left = [one for one in self.backups if one not in gone]
        kept = {name for one in left for tree in (one["tree"], *one["snapshots"].values()) for name in self.needed(tree)}
        trees = [tree for tree in self.trees if tree not in kept]
        files = [one["file"] for one in gone] + [f"trees/{tree}.{end}" for tree in trees for end in ("json", "btrfs")]
        if files:
            self.remove(files)
        self.backups = left
        return files

    # what the two kinds do

    def writing(self, name: str) -> Any:
        """A new file; whole, or not there."""
        raise NotImplementedError

    def reading(self, name: str) -> Any:
        raise NotImplementedError

    def remove(self, names: list[str]) -> None:
        raise NotImplementedError


class Directory(Vault):
    """A directory of this host, which nobody but root may change: what is in it becomes machines' files, and their owners'."""

    def __init__(self, place: str, *, make: bool) -> None:
        super().__init__(place)
        self._root = os.path.realpath(place)
        if make:
            os.makedirs(self._root, mode=0o700, exist_ok=True)
        if not os.path.isdir(self._root):
            raise NotFound(f"no directory {place}", "there is no backup", "gaol store backup --help")
        _must_be_roots(self._root)
        self.read(self._notes())

    def _notes(self) -> Iterator[tuple[str, str]]:
        for pattern in (_NAME, "trees/*.json", "machines/*/*/*.json"):
            for name in glob.glob(pattern, root_dir=self._root):
                with open(os.path.join(self._root, name), encoding="utf-8") as file:
                    yield name, file.read()

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        path = os.path.join(self._root, name)
        new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(new, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, path)
        except OSError as error:
            raise Failed(f"can't write {path}", error.strerror or str(error), f"df {self._root}") from None

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        try:
            with open(os.path.join(self._root, name), "rb") as file:
                yield file
        except OSError as error:
            raise Failed(f"can't read {self.place}/{name}", error.strerror or str(error), "gaol store restore --list") from None

    def remove(self, names: list[str]) -> None:
        for name in names:
            os.unlink(os.path.join(self._root, name))


class Remote(Vault):
    """HOST:DIRECTORY by ssh, as whoever calls `gaol` logs in there."""

    def __init__(self, place: str, *, make: bool) -> None:
        super().__init__(place)
        self._host, _, self._root = place.partition(":")
        self._root = self._root or "."
        made = f"umask 077; mkdir -p {quote(self._root)} && " if make else ""
        listed = subprocess.run(self._ssh(f"{made}cd {quote(self._root)} && {_LISTED}"), stdout=subprocess.PIPE, check=False)
        if listed.returncode:
            raise Failed(f"can't look at {place}", f"ssh ended with {listed.returncode}", f"ssh {self._host}")
        self.read(self._split(listed.stdout.decode(errors="replace")))

    def _ssh(self, script: str) -> list[str]:
        return ["ssh", "--", self._host, script]

    @staticmethod
    def _split(text: str) -> Iterator[tuple[str, str]]:
        """Each name is a line of its own; a note begins with a brace and ends with one, as `note` writes them."""
        name = ""
        lines: list[str] = []
        for line in text.splitlines():
            if line == "{":
                lines = []
            lines.append(line)
            if line == "}":
                yield name, "\n".join(lines)
            elif not line.startswith((" ", "{", "]")):
                name = line

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        path = f"{self._root}/{name}"
        directory, _, last = path.rpartition("/")
        new = f"{directory}/.{last}.new"
        script = f"umask 077; mkdir -p {quote(directory)} && cat > {quote(new)}"
        process = subprocess.Popen(self._ssh(script), stdin=subprocess.PIPE)
        assert process.stdin is not None
        try:
            yield process.stdin  # type: ignore[misc]  # buffered, as a file is
            process.stdin.close()
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
        if status or subprocess.run(self._ssh(f"mv {quote(new)} {quote(path)}"), check=False).returncode:
            why = "ssh, or what it called there, did not end well"
            raise Failed(f"can't write {self.place}/{name}", why, f"ssh {self._host} df")

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        process = subprocess.Popen(self._ssh(f"cat {quote(f'{self._root}/{name}')}"), stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            yield process.stdout  # type: ignore[misc]
        finally:
            process.stdout.close()
            status = process.wait()
        if status:
            raise Failed(f"can't read {self.place}/{name}", f"ssh ended with {status}", f"ssh {self._host}")

    def remove(self, names: list[str]) -> None:
        script = f"cd {quote(self._root)} && xargs -r rm -f --"
        subprocess.run(self._ssh(script), input="\n".join(map(quote, names)).encode(), check=True)


def opened(place: str, *, make: bool = False) -> Vault:
    """`HOST:DIRECTORY` is another host's, as with rsync and scp. Raises GaolerError."""
    host, colon, _ = place.partition(":")
    if colon and host and "/" not in host:
        return Remote(place, make=make)
    return Directory(place, make=make)


def _must_be_roots(path: str) -> None:
    """Raises NotAllowed where somebody else could put a backup of theirs there, or read everybody's."""
    steps = [path]
    while steps[-1] != "/":
        steps.append(os.path.dirname(steps[-1]))
    for step in steps:
        found = os.stat(step)
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (found.st_mode & stat.S_ISVTX and step != path)
        if found.st_uid or others:
            why = f"others than root may write {step}"
            raise NotAllowed(f"backups can't be kept in {path}", why, f"ls -ld {step}")
