"""Machines as archives that their owners keep and carry to other hosts, and machines made of such archives.

The archive is whoever's it is: written to what they have open, read from it, never by root's name for a file of theirs. Both
ways the work is done by programs that are confined (docs/decisions/0028) and see nothing but the tree and that stream:
`packing` and `unpacking`. What they say is a stranger's word.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaoler.bases import space
from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.errors import Failed, LimitReached, Usage
from gaoler.host import btrfs
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.logs import printable
from gaoler.machines import packing, unpacking
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.quotas import Quotas
from gaoler.machines.registry import NameTaken, Registry
from gaoler.machines.request import Request, Wishes, complete, show
from gaoler.machines.sessions import Sessions
from gaoler.machines.turns import Turns
from gaoler.progress import Progress, Report
from gaoler.store.names import base_name, machine_name

FORMAT, VERSION = "gaoler-machine", 1
LONGEST = 6 * 3600.0
"""Seconds that an archive may take in all, whoever waits for whom."""
_LINE = 500
"""Characters of what a confined program says of a file."""
_ANEW = "gaol export NAME FILE"
"""What to type, on the host that an archive came from, where it is of no use."""
AT_ONCE = 6
"""Archives of all users together, either way. Each takes a processor."""


@dataclass
class Packed:
    """What is in an archive, and the first names of what is not, each with the reason."""

    files: int = 0
    bytes: int = 0
    left_out: int = 0
    without: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Described:
    """What an archive says that its machine is. `wishes` are not held against any limit yet."""

    name: str
    base: str
    wishes: Wishes


class Portable:
    """Of the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer, quotas: Quotas, making: Making, sessions: Sessions) -> None:
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._making = making
        self._sessions = sessions
        self._turns = Turns("another export or import", AT_ONCE)

    def pack(self, machine: Machine, output: int, report: Report) -> Packed:
        """Write a machine's files, as they are now, to a descriptor. Raises LimitReached, Failed.

        One that runs writes out what it has in memory first.
        """
        with self._turns.of(machine.record.owner.uid), ExitStack() as undo:
            if machine.live:
                report(Progress(f"asking {machine.record.name} to write out its files"))
                self._sessions.write_out(machine)
            tree = self._jailer.paths.staging / secrets.token_hex(6)
            with machine.locked():
                self._registry.check_there(machine)
                of = machine.record
                btrfs.snapshot(self._jailer.gaol(of), tree, readonly=True)
            undo.callback(btrfs.delete, tree)
            reach("export.taken")
            words = [describe(of.name, of.base, of.generation, of.shape()), str(output)]
            packed, said = Packed(), _Words("packing", report)
            _confined(packing.__file__, words, Bind(str(tree), "/tree"), output, said, what=f"{of.name} can't be exported")
            packed.files, packed.bytes, packed.left_out = said.end("files", "bytes", "left_out")
            packed.without += said.without
        return packed

    def unpack(self, owner: Account, name: str | None, source: int, report: Report) -> tuple[Machine, list[str]]:
        """Make a machine, stopped, of an archive that a descriptor gives; returns what is not as the archive has it, too.

        It has none of its owner's home: whose files these are, nobody knows. Raises GaolerError.
        """
        if name is not None:
            self._check_free(owner, name)
        described: list[Described] = []

        def begins(text: str) -> None:
            described.append(read(text))
            self._check_free(owner, name or described[0].name)

        with self._turns.of(owner.uid), ExitStack() as undo:
            paths = self._jailer.paths
            tree = paths.staging / secrets.token_hex(6)
            btrfs.create(tree)
            undo.callback(btrfs.delete, tree)
            self._quotas.limit_coming(owner, tree)
            said = _Words("unpacking", space.watch(paths.store, report), begins)
            bind = Bind(str(tree), "/tree", writable=True)
            try:
                _confined(unpacking.__file__, [str(source)], bind, source, said, what="the archive can't be imported")
            except Failed:
                if said.refused == "full":
                    raise LimitReached(
                        "the archive does not fit", "it takes more than you may have, or than there is", "gaol ls", limit="disk"
                    ) from None
                if said.refused:
                    raise Failed("that can't be imported", said.refused, _ANEW) from None
                raise
            said.end()
            btrfs.sync(tree)  # whoever is told that it is there may delete the archive; and what is not written counts tenfold
            reach("import.unpacked")
            if not described:
                raise Failed("the archive is not whole", "nothing in it says what machine it is", _ANEW)
            one = described[0]
            request, notes = self._granted(owner, one)
            origin = (one.base, None)
            made = self._making.create(owner, name or one.name, request, populate=tree.rename, origin=origin)
        return made, notes

    def _check_free(self, owner: Account, name: str) -> None:
        """Before a gigabyte has come. Raises NameTaken, Usage."""
        if self._registry.get(owner.uid, machine_name(name)):
            raise NameTaken(f'there is a machine "{name}" already', "an import overwrites none", "gaol import FILE ANOTHER-NAME")

    def _granted(self, owner: Account, one: Described) -> tuple[Request, list[str]]:
        """What it is to be within the limits of here and today, and in what that is less than the archive says."""
        limits, notes = self._registry.configuration.limits, []
        wanted = one.wishes.said()
        for key in ("memory", "cpus", "disk", "ttl"):
            limit = limit_of(limits, owner, key)
            if key in wanted and limit.exceeded_by(wanted[key]):
                notes.append(f"{key} is {show(key, limit.value)} and not {show(key, wanted[key])}: {limit.setting}")
                wanted[key] = int(limit.value) if key != "cpus" else limit.value
        wanted["base"] = None
        try:
            request = complete(self._registry.configuration, owner, Wishes(**wanted | {"home": False}))
        except Usage as error:  # its hint is an option of `up`
            raise Failed("that can't be imported", f"its machine.json is nonsense: {error}", "gaol export --help") from None
        return Request(**{**request.shape(), "base": one.base, "kernel": None}), notes


class _Words:
    """What a confined program says, line by line; complaints of Python's among it are nobody's to read."""

    def __init__(self, step: str, report: Report, begins: Callable[[str], None] = lambda _: None) -> None:
        self.without: list[str] = []
        """What is not in the archive, and why; as many as are told."""
        self.refused = ""
        self._step = step
        self._report = report
        self._begins = begins
        self._begun = False
        self._bytes = 0
        self._end: dict[str, Any] = {}
        self._until = time.monotonic() + LONGEST

    def hear(self, line: str) -> None:
        """Raises what the beginning of the archive is worth."""
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if isinstance(said.get("machine"), str) and not self._begun:
            self._begun = True
            self._begins(said["machine"])
        elif isinstance(said.get("refused"), str):
            self.refused = printable(said["refused"][:_LINE])
        elif "end" in said:
            self._end = said
        elif {"path", "why"} <= said.keys():
            if len(self.without) < packing.TOLD:
                self.without.append(printable(f"{said['path']}: {said['why']}"[:_LINE]))
        elif isinstance(said.get("bytes"), int):
            self._bytes = said["bytes"]

    def pulse(self) -> None:
        self._report(Progress(self._step, self._bytes, None, "bytes"))
        if time.monotonic() > self._until:
            raise Failed("that takes too long", f"more than {LONGEST / 3600:g} hours", "gaol cp NAME:/srv .")

    def end(self, *keys: str) -> list[int]:
        """Numbers that it said last. Raises Failed where it did not come to its end, or said none."""
        numbers = [self._end.get(key) for key in keys]
        if not self._end or not all(isinstance(number, int) for number in numbers):
            raise Failed("the archive is not whole", "the program that was at it ended early", "gaol doctor")
        return [int(number) for number in numbers if number is not None]


def _confined(program: str, words: list[str], bind: Bind, descriptor: int, said: _Words, *, what: str) -> None:
    command = [os.path.realpath(sys.executable), "-IS", "-c", Path(program).read_text(), *words]
    with tempfile.TemporaryFile() as lock:
        try:
            confinement.run(
                command, Confinement((bind,)), said.hear, lock=lock.fileno(), descriptors=(descriptor,), pulse=said.pulse
            )
        except ProgramFailed as error:
            why = error.tail[-1][:200] if error.tail else ""
            raise Failed(what, f"{error.what.rsplit('/', 1)[-1]}: {why}", "gaol doctor") from None


def describe(name: str, base: str, generation: str | None, shape: dict[str, Any]) -> str:
    """An archive's first file: what the machine is. Of its owner nothing."""
    what = {key: value for key, value in shape.items() if key != "pids"}
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    known = {"format": FORMAT, "version": VERSION, "name": name, "base": base, "generation": generation, "exported": made}
    return json.dumps(known | what, indent=1)


def read(text: str) -> Described:
    """Raises Failed for what is not a description of a machine, or of a later gaoler's."""
    try:
        said = json.loads(text)
        ours, version = said["format"] == FORMAT, int(said["version"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        ours = False
    if not ours:
        raise Failed("that can't be imported", "it is not what gaol export writes", _ANEW)
    if version != VERSION:
        why = f"its format is {version}, and this gaoler reads {VERSION}"
        raise Failed("that can't be imported", why, "gaol --version tells this one's")
    kinds: dict[str, type] = {"memory": int, "cpus": float, "disk": int, "ttl": int, "network": bool}
    found = {key: _typed(said.get(key), kind) for key, kind in kinds.items()}
    kept = {key: value for key, value in found.items() if value is not None}
    for key, choices in (("init", ("startenv", "systemd")), ("mode", ("seccomp", "ptrace"))):
        if said.get(key) in choices:
            kept[key] = said[key]
    try:
        return Described(machine_name(str(said.get("name"))), base_name(str(said.get("base"))), Wishes(**kept))
    except Usage as error:
        raise Failed("that can't be imported", f"its machine.json is nonsense: {error.what}", _ANEW) from None


def _typed(value: object, kind: type) -> Any:
    """A value of that kind, or none."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1 << 40 else None
    return value if type(value) is kind else None
