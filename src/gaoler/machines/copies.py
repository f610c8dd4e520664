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
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, image
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.running import Running
from gaoler.machines.snapshots import Snapshots
from gaoler.store.paths import Paths

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


class Copies:
    """Those of the machines of a registry."""

    def __init__(self, jailer: Jailer, quotas: Quotas, running: Running, snapshots: Snapshots) -> None:
        self._jailer = jailer
        self._quotas = quotas
        self._running = running
        self._snapshots = snapshots

    def take(self, machine: Machine, tag: str | None) -> str:
        """Remember a running machine with its memory. Returns the tag. Raises Failed, LimitReached."""
        with machine.lock, ExitStack() as undo:
            of, live = machine.record, imaged(machine, f"gaol snapshot {machine.record.name}")
            with image.of(live.process) as found:
                name = self._snapshots.take(machine, tag)
                undo.callback(self._snapshots.remove, machine, name)
                directory = self._made(of, name)
                undo.callback(btrfs.delete, directory)
                reach("copy.begun")
                with _made(directory / _MEMORY) as memory, _made(directory / _STATE) as state:
                    store(found, memory, state, of.memory)
                reach("copy.stored")
            note = {
                "kernel": live.kernel,
                "guest": _guest(self._jailer.paths),
                "memory": of.memory,
                "network": of.network,
                "home": of.home,
                "told": {key: getattr(live, key) for key in ("agent", "sshd", "ready", "missing", "address", "address6")},
            }
            files.write(directory / _NOTE, json.dumps(note).encode(), durable=True)
            reach("copy.noted")
            undo.pop_all()
        return name

    def _made(self, of: Record, tag: str) -> Path:
        directory = self._directory(of, tag)
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.exists():
            btrfs.delete(directory)  # of one that a kill cut short: its snapshot is not there
        btrfs.create(directory)
        directory.chmod(0o700)
        self._quotas.limit(of, directory)
        with suppress(OSError):  # the store compresses what it can, where its kernel knows how
            os.setxattr(directory, "btrfs.compression", b"zstd")
        return directory

    def _directory(self, of: Record, tag: str) -> Path:
        return self._jailer.paths.memory / of.id / tag

    def found(self, machine: Machine, tag: str) -> Copy | None:
        """The memory of a snapshot, None where it has none."""
        directory = self._directory(machine.record, tag)
        try:
            note = json.loads((directory / _NOTE).read_bytes())
            note["told"]["missing"] = tuple(note["told"]["missing"])
            return Copy(directory=directory, **note)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def go_on(self, machine: Machine, tag: str) -> bool:
        """Restore a snapshot and go on where the machine was; False where it is one of files alone. Raises GaolerError."""
        with machine.lock:
            copy = self.found(machine, tag)
            if copy is None:
                return False
            self._must_fit(machine.record, copy)
            self._snapshots.restore(machine, tag)
            reach("resume.restored")
            opened = tuple(os.open(copy.directory / name, os.O_RDONLY | os.O_CLOEXEC) for name in (_MEMORY, _STATE))
            try:
                self._running.start(machine, (opened, copy.kernel, copy.told))
            finally:
                for descriptor in opened:
                    os.close(descriptor)
        return True

    def _must_fit(self, of: Record, copy: Copy) -> None:
        for what, then, now in (
            ("memory", copy.memory, of.memory),
            ("network", copy.network, of.network),
            ("home", copy.home, of.home),
            ("gaoler's own files inside", copy.guest, _guest(self._jailer.paths)),
        ):
            if then != now:
                raise Failed(
                    f"{of.name} can't go on from that snapshot",
                    f"its {what} is another than it was then; restore --files takes the files alone",
                    f"gaol snapshot {of.name} --list",
                )  # fmt: skip

    def forget(self, machine: Machine, tag: str) -> None:
        """Forget the memory of a snapshot, if it has any. Raises GaolerError."""
        with machine.lock:
            directory = self._directory(machine.record, tag)
            if directory.is_dir():
                btrfs.delete(directory)

    def kernels(self) -> set[str]:
        """Kernels that snapshots need to go on with."""
        found = set()
        for note in self._jailer.paths.memory.glob(f"*/*/{_NOTE}"):
            with suppress(OSError, ValueError, KeyError, GaolerError):
                found.add(str(json.loads(note.read_bytes())["kernel"]))
        return found


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
def _made(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _guest(paths: Paths) -> str:
    """What tells one installation of the files inside from another: processes inside run them."""
    found = (paths.store / "bin/agent").stat()
    return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"
