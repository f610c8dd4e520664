"""up --from FILE: a machine made to be what a file says, and kept so when the file has changed.

What was done is noted inside, where it goes with the machine's files into snapshots, clones and archives. What is noted there is
the machine's word: it decides what is done again, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tarfile
import tempfile
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from gaoler.cli import recipe as recipes
from gaoler.cli.changes import show_setting
from gaoler.cli.output import clean
from gaoler.client.session import Session
from gaoler.errors import Failed, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from gaoler.cli.recipe import Recipe
    from gaoler.client import Gaoler

    Given: TypeAlias = Callable[[IO[bytes]], object] | None
    """Writes what a command is to read."""

_NOTE = "/var/lib/gaol/up.json"
_LONGEST = 1 << 20
"""Bytes that are read of what the machine says: its note, or the state of the most files that a recipe brings."""
_KEEP = f"umask 022; mkdir -p {os.path.dirname(_NOTE)} && cat > {_NOTE}.new && mv {_NOTE}.new {_NOTE}"
_INSTALL = """
if command -v apt-get >/dev/null; then
    wanted=
    for one; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "${one%%=*}" 2>/dev/null) in ii*) ;; *) wanted="$wanted $one" ;; esac
    done
    [ "$wanted" ] || exit 0
    echo "installing$wanted"
    DEBIAN_FRONTEND=noninteractive exec apt-get install -y $wanted
elif command -v pacman >/dev/null; then
    exec pacman -S --needed --noconfirm "$@"
fi
echo "this machine has neither apt-get nor pacman" >&2
exit 1
"""
_LOOK = """
while IFS= read -r path; do
    if [ -f "$path" ] && [ ! -L "$path" ]; then echo "$(sha256sum < "$path" | cut -c1-64) $(stat -c %a "$path")"; else echo -; fi
done
"""
_UNPACK = "exec tar -xf - -C / --numeric-owner --same-permissions"
_SETUP = "umask 022; cat > /var/lib/gaol/setup && chmod 755 /var/lib/gaol/setup && cd /root && exec $1 /var/lib/gaol/setup"


def up(gaoler: Gaoler, path: str, name: str | None, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Make the machine, or make it as the file says; what `Up` answered. Raises GaolerError."""
    recipe = recipes.read(path)
    name = name or recipe.name
    before = _found(gaoler, name)
    if before:
        _change(gaoler, before, recipe)
    machine = dict(gaoler.call("Up", progress, name=name, spec={} if before else recipe.spec)["machine"])
    if not before:
        _change(gaoler, machine, recipe)
    _Furnishing(gaoler, machine, recipe, progress).run()
    return machine


def _found(gaoler: Gaoler, name: str | None) -> dict[str, Any] | None:
    try:
        return dict(gaoler.call("Inspect", name=name)["machine"])
    except NotFound:
        return None


def _change(gaoler: Gaoler, machine: dict[str, Any], recipe: Recipe) -> None:
    """What a machine that is there was made with: changed where it can be, told where not."""
    name = machine["name"]
    if recipe.base and recipe.base != machine["base"]:
        _say(f"{name} was made of {machine['base']} and not of {recipe.base}: only a new machine gets another base")
    said = {key: value for key, value in recipe.shape.items() if key != "kernel" or value not in (machine["kernel"] or "")}
    different = {key: value for key, value in said.items() if _plain(machine.get(key)) != value}
    if not different:
        return
    later = gaoler.call("Set", name=name, owner=machine["owner"], **different)["later"]
    for key, value in different.items():
        when = f", from its next start on: gaol down {name} && gaol up {name}" if key in later else ""
        _say(f"{name}: {key} is {show_setting(key, value)} now, and was {show_setting(key, _plain(machine.get(key)))}{when}")


def _plain(value: Any) -> Any:
    return 0 if value is None else value


class _Furnishing:
    """What is put into a machine that runs: packages, files, and what the script makes of them, in this order."""

    def __init__(
        self, gaoler: Gaoler, machine: dict[str, Any], recipe: Recipe, progress: Callable[[dict[str, Any]], None]
    ) -> None:
        self._gaoler = gaoler
        self._machine = machine
        self._recipe = recipe
        self._progress = progress
        self._sources: list[IO[bytes]] = []
        """Open for as long as we are: a command may end before the thread that reads for it, and a number must not become another
        file's meanwhile."""
        self._again = f"gaol up {shlex.quote(machine['name'])} --from {shlex.quote(str(recipe.path))}"

    def run(self) -> None:
        note = self._note()
        for package in sorted({*note["packages"]} - {*self._recipe.packages}):
            _say(f"{package} is no longer in {self._recipe.path}: it stays installed")
        for place in sorted({*note["files"]} - {*self._recipe.files}):
            _say(f"{place} is no longer in {self._recipe.path}: it stays as it is")
        if self._recipe.packages:
            self._must(_INSTALL, list(self._recipe.packages), "not all packages could be installed")
        note = {"packages": list(self._recipe.packages), "files": self._put_files(), "setup": note["setup"]}
        self._keep(note)
        digest = hashlib.sha256(self._recipe.setup).hexdigest() if self._recipe.setup else ""
        if digest and digest != note["setup"]:
            self._progress({"step": "running the setup script"})
            interpreter = "" if self._recipe.setup.startswith(b"#!") else "sh -e"
            self._must(_SETUP, [interpreter], "the setup script failed", lambda file: file.write(self._recipe.setup))
        if digest != note["setup"]:
            self._keep(note | {"setup": digest})

    def _note(self) -> dict[str, Any]:
        """What was done before, in the machine's words: of their kind, or none."""
        try:
            said = json.loads(self._read(f"cat {_NOTE} 2>/dev/null"))
        except (ValueError, RecursionError):
            said = None
        note: dict[str, Any] = {"packages": [], "files": [], "setup": ""}
        if isinstance(said, dict):
            for key in ("packages", "files"):
                if isinstance(said.get(key), list):
                    note[key] = [one for one in said[key] if isinstance(one, str)]
            if isinstance(said.get("setup"), str):
                note["setup"] = said["setup"]
        return note

    def _keep(self, note: dict[str, Any]) -> None:
        self._must(_KEEP, [], "what was done can't be noted in the machine", lambda file: file.write(json.dumps(note).encode()))

    def _put_files(self) -> list[str]:
        """Files that are another than here are put there; the places of all."""
        files = self._recipe.files
        if not files:
            return []
        listed = "".join(f"{place}\n" for place in files if "\n" not in place).encode()
        said = self._read(_LOOK, lambda file: file.write(listed))
        there = dict(zip((place for place in files if "\n" not in place), said.splitlines(), strict=False))
        new = {place: path for place, path in files.items() if there.get(place) != _state(path)}
        if new:
            self._progress({"step": f"copying {len(new)} file{'' if len(new) == 1 else 's'}"})
            self._must(_UNPACK, [], "the files can't be put into the machine", lambda archive: _pack(new, archive))
            for place in new:
                _say(f"{self._machine['name']}: {place} copied")
        return list(files)

    def _must(self, script: str, words: Sequence[str], what: str, given: Given = None) -> None:
        """Run it inside; what it says is shown. Raises Failed."""
        _clear()
        code = self._run(script, words, given, [2, 2])
        if code:
            raise Failed(what, f"it ended with {code}, and says why above; another gaol up --from goes on there", self._again)

    def _read(self, script: str, given: Given = None) -> str:
        """What it says inside, the first of it: a machine may go on for ever."""
        ours, theirs = os.pipe()
        said: list[bytes] = []

        def take() -> None:
            with open(ours, "rb") as output:
                said.append(output.read(_LONGEST))

        reader = Thread(target=take, daemon=True)
        reader.start()
        try:
            self._run(script, [], given, [theirs, 2])
        finally:
            os.close(theirs)
            reader.join()
        return b"".join(said).decode(errors="replace")

    def _run(self, script: str, words: Sequence[str], given: Given, outputs: list[int]) -> int:
        machine = self._machine
        command = {"arguments": ["sh", "-c", script, "up", *words]}
        self._gaoler.call("Exec", name=machine["name"], owner=machine["owner"], command=command)
        session = Session(self._gaoler.descriptors())
        source = None
        if given:
            source = tempfile.TemporaryFile()  # noqa: SIM115
            self._sources.append(source)
            given(source)
            source.seek(0)
        code = session.copy(source.fileno() if source else None, outputs)
        if session.complaint:
            raise Failed(f"{machine['name']} can't be set up", session.complaint, self._again)
        return code


def _state(path: Path) -> str:
    """A file's content and mode, as the machine tells its own."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None
    return f"{digest} {_mode(path):o}"


def _mode(path: Path) -> int:
    """As git has it: what may be run, and what not."""
    return 0o755 if os.access(path, os.X_OK) else 0o644


def _pack(files: dict[str, Path], into: Any) -> None:
    with tarfile.open(fileobj=into, mode="w") as archive:
        for place, path in files.items():
            info = tarfile.TarInfo(place[1:])
            try:
                with open(path, "rb") as file:
                    state = os.fstat(file.fileno())
                    info.mode, info.size, info.mtime = _mode(path), state.st_size, int(state.st_mtime)
                    archive.addfile(info, file)
            except OSError as error:
                raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> Failed:
    """For what was there when the recipe was read."""
    return Failed(f"{path} can't be read", error.strerror or str(error), f"ls -l {shlex.quote(str(path))}")


def _say(text: str) -> None:
    _clear()
    print(f"gaol: {clean(text)}", file=sys.stderr)


def _clear() -> None:
    """Take the live line of progress away: what comes is to stay."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
