"""Copies of running machines: snapshots with their memory, from which a machine goes on where it was.

Beside the snapshot of its files, which is taken while the machine stands still, lie its memory and the state of its kernel's
process (host/image.py), in a subvolume of their own that is charged to the owner as a gaol is. All of it is root's alone.
A note, written last, says what it takes to go on: without it there is no such copy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaoler import files
from gaoler.errors import Failed
from gaoler.host import btrfs, image
from gaoler.machines import guests
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.resuming import Resumed
from gaoler.machines.running import Running
from gaoler.machines.snapshots import Snapshots

_MEMORY, _STATE, _NOTE = "memory", "state", "note.json"
_SLACK = 64 << 20
"""Bytes that the file of a machine's memory may hold more than its memory: UML adds its own image to it."""


@dataclass(frozen=True)
class Copy:
    """What is there to go on from: `kernel` and `guest` must be the same, and the machine of the same shape."""

    directory: Path
    kernel: str
    guest: str
    memory: int
    network: bool
    home: bool
    told: dict[str, Any]
    """What the machine had told of itself."""

    @property
    def addresses(self) -> tuple[str | None, str | None]:
        return self.told["address"], self.told["address6"]


class Copies:
    """Those of the machines of a registry."""

    def __init__(self, jailer: Jailer, quotas: Quotas, running: Running, snapshots: Snapshots) -> None:
        self._jailer = jailer
        self._quotas = quotas
        self._running = running
        self._snapshots = snapshots

    def take(self, machine: Machine, tag: str | None) -> str:
        """Remember a running machine with its memory. Returns the tag. Raises Failed, LimitReached."""
        with machine.locked(), ExitStack() as undo:
            live = imaged(machine, f"gaol snapshot {machine.record.name}")
            with image.of(live.process) as found:
                name = self._snapshots.take(machine, tag)
                undo.callback(self._snapshots.remove, machine, name)
                directory = self._directory(machine.record, name)
                undo.callback(btrfs.delete, directory)
                self.fill(directory, machine.record, found)
            self.note(directory, machine.record, live)
            reach("copy.noted")
            undo.pop_all()
        return name

    def fill(self, directory: Path, of: Record, found: image.Image) -> None:
        """Keep what a machine has handed out in a subvolume that is charged to its owner. Raises GaolerError."""
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.exists():
            btrfs.delete(directory)  # of one that a kill cut short
        btrfs.create(directory)
        directory.chmod(0o700)
        self._quotas.limit(of, directory)
        with suppress(OSError):  # the store compresses what it can, where its kernel knows how
            os.setxattr(directory, "btrfs.compression", b"zstd")
        reach("copy.begun")
        new = os.O_RDWR | os.O_CREAT | os.O_EXCL
        with _opened(directory / _MEMORY, new) as memory, _opened(directory / _STATE, new) as state:
            store(found, memory, state, of.memory)
        reach("copy.stored")

    def note(self, directory: Path, of: Record, live: Live) -> None:
        """Say, at last, that what is there can be gone on from, and what that takes. Raises Failed."""
        told = {key: getattr(live, key) for key in ("agent", "sshd", "ready", "missing", "address", "address6")}
        noted = {
            "kernel": live.kernel,
            "guest": guests.keep(self._jailer.paths),
            "memory": of.memory,
            "network": of.network,
            "home": of.home,
            "told": told | {"waited": -live.age},
        }
        for name in (_MEMORY, _STATE):
            with _opened(directory / name) as descriptor:
                os.fsync(descriptor)
        files.write(directory / _NOTE, json.dumps(noted).encode(), durable=True)

    def _directory(self, of: Record, tag: str) -> Path:
        return self._jailer.paths.memory / of.id / tag

    def has(self, machine: Machine, tag: str) -> bool:
        """Whether a snapshot has what ran in the machine."""
        return read(self._directory(machine.record, tag)) is not None

    def go_on(self, machine: Machine, tag: str) -> bool:
        """Restore a snapshot and go on where the machine was; False where it is one of files alone. Raises GaolerError."""
        with machine.locked():
            copy = read(self._directory(machine.record, tag))
            if copy is None:
                return False
            hint = f"gaol snapshot {machine.record.name} --list"
            self.must_fit(machine.record, copy, "restore --files takes the files alone", hint)
            self._snapshots.restore(machine, tag)
            reach("resume.restored")
            self.start(machine, copy)
        return True

    def start(self, machine: Machine, copy: Copy) -> None:
        """Go on from a copy that fits. The caller holds the machine's lock. Raises GaolerError."""
        with self.opened(copy) as image:
            self._running.start(machine, image)

    @contextmanager
    def opened(self, copy: Copy) -> Iterator[Resumed]:
        """What a machine is started with to go on from it. Raises GaolerError, OSError."""
        with ExitStack() as ours:
            memory, state = (ours.enter_context(_opened(copy.directory / name)) for name in (_MEMORY, _STATE))
            yield Resumed(memory, state, copy.kernel, copy.told, guests.find(self._jailer.paths, copy.guest))

    def must_fit(self, of: Record, copy: Copy, way: str, hint: str) -> None:
        """Raises Failed with a `way` out where the machine could not go on from it."""
        now, paths = self._quotas.held(of), self._jailer.paths
        for what, same in (
            ("memory", copy.memory == now.memory),
            ("network", copy.network == of.network),
            ("home", copy.home == of.home),
            ("gaoler's own files inside", guests.is_there(paths, copy.guest)),
        ):
            if not same:
                why = f"its {what} is another than it was then; {way}"
                raise Failed(f"{of.name} can't go on where it was", why, hint)

    def forget(self, machine: Machine, tag: str) -> None:
        """Forget the memory of a snapshot, if it has any. Raises GaolerError."""
        with machine.locked():
            directory = self._directory(machine.record, tag)
            if directory.is_dir():
                btrfs.delete(directory)

    def kernels(self, identity: str) -> set[str]:
        """Kernels that the snapshots of a machine, or the machine that sleeps, need to go on with."""
        return self._noted("kernel", identity)

    def clear(self) -> None:
        """Remove files of earlier installations that nothing needs any more."""
        guests.clear(self._jailer.paths, self._noted("guest"))

    def _noted(self, key: str, identity: str = "*") -> set[str]:
        found = set()
        for note in self._jailer.paths.memory.glob(f"{identity}/*/{_NOTE}"):
            with suppress(OSError, ValueError, KeyError):
                found.add(str(json.loads(note.read_bytes())[key]))
        return found


def read(directory: Path) -> Copy | None:
    """What is kept there to go on from, None where nothing is."""
    try:
        note = json.loads((directory / _NOTE).read_bytes())
        note["told"]["missing"] = tuple(note["told"]["missing"])
        return Copy(directory=directory, **note)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def imaged(machine: Machine, hint: str) -> Live:
    """The machine as it runs, of which an image can be taken. Raises Failed."""
    of, live = machine.record, machine.live
    if live is None:
        raise Failed(f"{of.name} is not running", "it has no memory", hint)
    if of.mode != "seccomp":
        raise Failed(f"{of.name}'s memory can't be copied", "it was made with --mode ptrace", hint)
    if machine.observed.frozen:
        raise Failed(f"{of.name} is frozen", "its kernel stands still, too, and gives no image of itself", f"gaol thaw {of.name}")
    if not live.agent:
        raise Failed(f"{of.name} is still starting", "no command can be run in it yet", f"gaol wait {of.name} --for ready")
    return live


def store(found: image.Image, memory: int, state: int, size: int) -> None:
    """What a machine of `size` bytes has handed out, into two files. Raises Failed."""
    try:
        image.copy(found.memory, memory, size + _SLACK)
        image.copy(found.state, state, image.STATE_LIMIT)
    except OSError as error:
        raise Failed("the machine's memory can't be stored", error.strerror or str(error), "gaol store info") from None


@contextmanager
def _opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
