"""Snapshots, clones and templates of machines: their gaols are subvolumes, so each is one btrfs snapshot."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gaoler.errors import Failed, GaolerError, LimitReached, NotFound
from gaoler.host import btrfs
from gaoler.host.rename import exchange
from gaoler.machines import keys
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.quotas import Quotas
from gaoler.machines.registry import Registry
from gaoler.machines.request import Request
from gaoler.store.names import tag_name

MOST = 256
"""Snapshots of one machine. Each takes metadata of the store's, which no quota counts in full."""


@dataclass(frozen=True)
class Snapshot:
    tag: str
    taken: float
    held: int | None
    """Bytes that nothing else holds; None where the store does not count them."""


class Snapshots:
    """Those of the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer, quotas: Quotas, making: Making) -> None:
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._making = making

    def _directory(self, machine: Machine) -> Path:
        return self._jailer.paths.snapshots / machine.record.id

    def tags(self, machine: Machine) -> list[str]:
        directory = self._directory(machine)
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []

    def all(self, machine: Machine) -> list[Snapshot]:
        """What there is, oldest first."""
        found = []
        is_counted = btrfs.quotas(self._jailer.gaol(machine.record)) == "full"
        for tag in self.tags(machine):
            with suppress(GaolerError):  # removed meanwhile
                path = self._directory(machine) / tag
                counted = btrfs.quota(path) if is_counted else None
                found.append(Snapshot(tag, btrfs.info(path).made, counted.exclusive if counted else None))
        return sorted(found, key=lambda one: one.taken)

    def take(self, machine: Machine, tag: str | None) -> str:
        """Remember the machine's files; running ones as after a power cut. Returns the tag. Raises Failed, LimitReached."""
        name = tag_name(tag) if tag else time.strftime("%Y%m%d-%H%M%S")
        with machine.locked():
            self._registry.check_there(machine)
            target = self._directory(machine) / name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if target.exists():
                raise Failed(
                    f'there is a snapshot "{name}" already',
                    "a snapshot is never overwritten",
                    f"gaol snapshot {machine.record.name} another-name",
                )
            if len(self.tags(machine)) >= MOST:
                own = machine.record.name
                hint = f"gaol snapshot {own} TAG --delete"
                raise LimitReached(f"{own} has {MOST} snapshots", "no machine may have more", hint, limit="snapshots")
            btrfs.snapshot(self._jailer.gaol(machine.record), target, readonly=True)
            reach("snapshot.taken")
        return name

    def restore(self, machine: Machine, tag: str) -> None:
        """Put the files back as the snapshot has them. Raises NotFound, Failed where the machine runs, or sleeps."""
        with machine.locked():
            source, name = self.found(machine, tag), machine.record.name
            if machine.live or machine.observed.asleep:
                raise Failed(f"{name} {'is running' if machine.live else 'sleeps'}", "its files are in use", f"gaol down {name}")
            self._registry.check_idle(machine)
            self.put_back(machine, source)

    def put_back(self, machine: Machine, source: Path) -> None:
        """Have the machine's files be as a subvolume has them. The caller holds its lock, and it does not run. Raises Failed."""
        gaol = self._jailer.gaol(machine.record)
        fresh = self._jailer.paths.staging / secrets.token_hex(6)
        with ExitStack() as undo:
            btrfs.snapshot(source, fresh)
            undo.callback(btrfs.delete, fresh)  # what was restored, until it has changed places with what was there
            self._quotas.limit(self._quotas.held(machine.record), fresh)
            reach("restore.staged")
            exchange(fresh, gaol)
            (self._registry.directory(machine.record) / keys.FILES[2]).unlink(missing_ok=True)  # of before its first start
            reach("restore.exchanged")

    def remove(self, machine: Machine, tag: str) -> None:
        """Forget a snapshot. Raises NotFound."""
        with machine.locked():
            btrfs.delete(self.found(machine, tag))

    def found(self, machine: Machine, tag: str) -> Path:
        """A snapshot's tree; whoever asks holds the machine's lock. Raises NotFound."""
        self._registry.check_there(machine)
        path = self._directory(machine) / tag_name(tag)
        if not path.is_dir():
            there, name = ", ".join(self.tags(machine)) or "none", machine.record.name
            raise NotFound(f'no snapshot "{tag}" of {name}', f"there are: {there}", f"gaol info {name}")
        return path

    def clone(self, machine: Machine, name: str) -> Machine:
        """A new machine, stopped, of the same make within the limits of today, with the files of this one as they are now."""
        old = self._quotas.held(machine.record)
        with machine.locked():
            self._registry.check_there(machine)
            return self._making.create(old.owner, name, Request.of(old), populate=partial(btrfs.snapshot, self._jailer.gaol(old)))
