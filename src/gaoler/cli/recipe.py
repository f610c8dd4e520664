"""A machine as a file says it: `gaol up --from FILE` reads it here, with the line of every mistake."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from gaoler.errors import GaolerError, NotFound, Usage
from gaoler.units import number, size, time_to_live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Wrong(Exception):
    """Why a value can't be taken, in words that follow its key: `must be true or false`."""


LARGEST = 1 << 20
"""Bytes of the file itself."""
MOST = 10_000
"""Files that it may bring."""
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~=-]*")
_LATER = {
    "ports": "a machine has an address of its own, and all of its ports are reached there",
    "snapshots": "they are made by gaol snapshot",
    "env": "set the environment in the setup script, or in /etc/environment",
}
"""What people look for here and do not find, with the reason."""


@dataclass(frozen=True)
class Recipe:
    """`shape` is what a machine is made with, in a request's words, 0 for no end; `files` are ours by their places inside."""

    path: Path
    name: str | None = None
    base: str | None = None
    shape: dict[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)
    setup: bytes = b""

    @property
    def spec(self) -> dict[str, Any]:
        """For a machine that is to be made; what has no end is set afterwards."""
        made = {key: value for key, value in self.shape.items() if value != 0 or isinstance(value, bool)}
        return {**({"base": self.base} if self.base else {}), **made}


def read(path: str) -> Recipe:
    """Raises NotFound, and Usage with every mistake."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1).decode()
    except FileNotFoundError:
        raise NotFound(f"no file {path}", "gaol up --from reads a machine's description", "gaol up --help") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} can't be read", str(error), f"ls -l {quote(path)}") from None
    try:
        said = tomllib.loads(text) if len(text) <= LARGEST else None
    except (ValueError, RecursionError) as error:  # more than TOML's own: numbers and lists that Python finds too long, too deep
        raise Usage(f"{path} is not TOML", str(error), f"less {quote(path)}") from None
    if said is None:
        raise Usage(f"{path} is too long", f"more than {LARGEST >> 20}M", f"ls -l {quote(path)}")
    reading = _Reading(Path(path), text)
    found = reading.recipe(said)
    if reading.mistakes:
        told = [f"{path}:{line}: {what}" for line, what in sorted(reading.mistakes)]
        one = len(told) == 1
        what = "the file has a mistake" if one else f"the file has {len(told)} mistakes"
        raise Usage(what, told[0] if one else "\n".join(["", *told]), f"less {quote(path)}")
    return found


class _Reading:
    """Collects mistakes: whoever mends one wants to know of the next."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._directory = path.absolute().parent
        self._lines = text.splitlines()
        self.mistakes: list[tuple[int, str]] = []

    def recipe(self, said: dict[str, Any]) -> Recipe:
        shape: dict[str, Any] = {}
        kinds: dict[str, Callable[[Any], Any]] = {
            "memory": _text(size), "cpus": _cpus, "disk": _text(size, endless=True), "ttl": _text(time_to_live, endless=True),
            "kernel": _text(str), "init": _one_of("startenv", "systemd"), "mode": _one_of("seccomp", "ptrace"), "home": _switch,
            "network": _switch,
        }  # fmt: skip
        parts: dict[str, Any] = {}
        others: dict[str, Callable[[Any], Any]] = {
            "name": _text(str), "base": _text(str), "packages": self._packages, "files": self._files, "setup": self._setup
        }  # fmt: skip
        for key, value in said.items():
            if key in kinds:
                self._take(key, kinds[key], value, shape)
            elif key in others:
                self._take(key, others[key], value, parts)
            elif key in _LATER:
                self._wrong(key, f"there is no {key}: {_LATER[key]}")
            else:
                near = get_close_matches(key, [*kinds, *others], 1)
                self._wrong(key, f"unknown key {key}" + (f", did you mean {near[0]}?" if near else ""))
        return Recipe(self._path, shape=shape, **parts)

    def _take(self, key: str, convert: Callable[[Any], Any], value: Any, into: dict[str, Any]) -> None:
        try:
            into[key] = convert(value)
        except GaolerError as error:
            self._wrong(key, f"{key}: {error}")
        except _FAULTS as error:
            self._wrong(key, f"{key} {_fault(error)}")

    def _wrong(self, key: str, what: str) -> None:
        self.mistakes.append((self._line(key), what))

    def _line(self, key: str) -> int:
        """Where a key stands, or a value that is looked for as it is written; the first line, if nobody can tell."""
        begins = re.compile(rf"""\s*(?:\[\s*)?["']?{re.escape(key)}["']?\s*(?:[=.\]]|$)""")
        holds = re.compile(rf"""["']{re.escape(key)}["']""")
        for pattern in (begins.match, holds.search):
            for at, line in enumerate(self._lines, 1):
                if pattern(line):
                    return at
        return 1

    def _packages(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Wrong('must be a list of names, ["git", "make"]')
        for one in value:
            if not _PACKAGE.fullmatch(one):
                self._wrong(one, f'packages: "{one[:60]}" is not the name of a package')
        return tuple(dict.fromkeys(value))

    def _setup(self, value: Any) -> bytes:
        if not isinstance(value, str) or not value:
            raise Wrong("must be a script, in quotes, or the name of a file that is one")
        if "\n" in value:
            return value.encode()
        path = self._beside(value)
        if not path.is_file():
            raise Wrong(f"names {value[:60]}, and there is no such file beside {self._path.name}")
        return path.read_bytes()

    def _files(self, value: Any) -> dict[str, Path]:
        if not isinstance(value, dict):
            raise Wrong('must be a section of its own, [files], with lines such as "/etc/motd" = "motd"')
        found: dict[str, Path] = {}
        for inside, here in value.items():
            try:
                found.update(self._brought(inside, here))
            except _FAULTS as error:
                self._wrong(inside, f"files: {inside[:60]} {_fault(error)}")
        if len(found) > MOST:
            self._wrong("files", f"files: {len(found)} are more than {MOST}: have the setup script fetch them")
        return found

    def _brought(self, inside: str, here: Any) -> Iterator[tuple[str, Path]]:
        """A file, or all that are in a directory, each with its place inside. Raises Wrong."""
        if not isinstance(here, str):
            raise Wrong("must be the name of a file or directory, in quotes")
        parts = inside.split("/")
        if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts[1:]):
            raise Wrong("must be a path in the machine, from / on")
        path = self._beside(here)
        if path.is_file():
            yield inside, _readable(path)
        elif path.is_dir():
            for directory, names, files in os.walk(path, onerror=_give_up):
                names.sort()
                for name in names:
                    if Path(directory, name).is_symlink():
                        raise Wrong(f"would bring {name}, which is a link to a directory")
                for name in sorted(files):
                    one = Path(directory, name)
                    self._beside(str(one.relative_to(self._directory)))
                    if not one.is_file():
                        raise Wrong(f"would bring {one.name}, which is not a file")
                    yield f"{inside}/{one.relative_to(path)}", _readable(one)
        else:
            raise Wrong(f"is to be {here[:60]}, and there is no such file beside {self._path.name}")

    def _beside(self, name: str) -> Path:
        """A file of the same directory, or below: a description may not take along what else its reader has."""
        path = self._directory / name
        if os.path.isabs(name) or not path.resolve().is_relative_to(self._directory.resolve()):
            raise Wrong(f"names {name[:60]}, which is not in the directory of {self._path.name}")
        return path


_FAULTS = (Wrong, OSError, ValueError)
"""What a value that is looked at raises: a name with a NUL in it is Python's ValueError."""


def _fault(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"can't be read: {os.path.basename(error.filename or '')[:60]}: {error.strerror or error}"
    return str(error) if isinstance(error, Wrong) else f"can't be read: {error}"


def _readable(path: Path) -> Path:
    """Raises OSError, while there is a line to tell it with."""
    with open(path, "rb"):
        return path


def _give_up(error: OSError) -> None:
    raise error


def _text(convert: Callable[[str], Any], *, endless: bool = False) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or not value:
            raise Wrong('must be text, in quotes, such as "1G"' if convert is not str else "must be a name, in quotes")
        return 0 if endless and value in ("never", "none", "unlimited") else convert(value)

    return read


def _cpus(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong("must be a number, such as 2 or 0.5")
    return number(str(value))


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise Wrong(f"must be {' or '.join(choices)}")
        return str(value)

    return read
