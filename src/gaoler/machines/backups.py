"""Machines as streams, for a backup, and machines made of such streams.

What is sent are read-only trees, each under the UUID of its subvolume, which never changes: a base's generation whole, a
machine's gaol as what it has of its own beyond that, or beyond its last backup. That one stays, below .gaoler/backups/ID/TARGET,
until the next one of the same target is done (docs/decisions/0034).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from gaoler.configuration.account import Account
from gaoler.errors import Failed, NotAllowed, NotFound, Usage
from gaoler.host import btrfs
from gaoler.host.btrfs import streams
from gaoler.kernels import installed
from gaoler.machines import record
from gaoler.machines.accounts import Accounts
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.request import Request
from gaoler.machines.snapshots import Snapshots
from gaoler.store.names import machine_name, tag_name


@dataclass(frozen=True)
class Tree:
    """A read-only subvolume that is sent, and what the receiver must have for it."""

    path: Path
    uuid: str
    parent: Path | None = None
    parent_uuid: str | None = None


@dataclass(frozen=True)
class Taken:
    """What one backup of a machine consists of: `trees` in the order in which they are to be received."""

    record: Record
    uuid: str
    snapshots: dict[str, str]
    """UUIDs by tag."""
    trees: list[Tree]


@dataclass(frozen=True)
class Wanted:
    """A machine that is to be made of received trees."""

    owner: Account
    name: str
    record: Record
    uuid: str
    snapshots: dict[str, str]


class Backups:
    """Those of the machines of a registry."""

    def __init__(
        self, accounts: Accounts, registry: Registry, jailer: Jailer, quotas: Quotas, making: Making, snapshots: Snapshots
    ) -> None:
        self._accounts = accounts
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._making = making
        self._snapshots = snapshots

    # taking

    @contextmanager
    def taking(self, machine: Machine, target: str, kept: set[str], *, full: bool, snapshots: bool) -> Iterator[Taken]:
        """What is to be sent of a machine, running or not, to a target that has the trees `kept`.

        At the context's good end it is what the target's next backup of the machine builds on. Raises GaolerError.
        """
        if not target.isalnum():
            raise Usage(f'"{target[:40]}" is not a target', "letters and digits name one", "gaol store backup --help")
        with ExitStack() as undo:
            with machine.locked():
                self._registry.check_there(machine)
                directory = self._jailer.paths.backups / machine.record.id / target
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                former = sorted(directory.iterdir())
                new = directory / f"{time.time_ns():020d}"
                btrfs.snapshot(self._jailer.gaol(machine.record), new, readonly=True)
                undo.callback(btrfs.delete, new)
                shown = [(tag, self._jailer.paths.snapshots / machine.record.id / tag) for tag in self._snapshots.tags(machine)]
            base = self._base_of(machine.record)
            found = [base] if base and base.uuid not in kept else []
            tags: dict[str, str] = {}
            for tag, path in shown if snapshots else ():
                tags[tag] = _uuid(path)
                if tags[tag] not in kept:
                    found.append(_tree(path, base.path if base else None))
            last = next((one for one in reversed(former) if _uuid(one) in kept), None) if not full else None
            found.append(_tree(new, last or (base.path if base else None)))
            yield Taken(machine.record, found[-1].uuid, tags, found)
            undo.pop_all()
        for one in former:
            btrfs.delete(one)

    def _base_of(self, of: Record) -> Tree | None:
        path = self._jailer.paths.generations / of.base / (of.generation or "")
        return _tree(path, None) if of.generation and btrfs.is_subvolume(path) else None

    # restoring

    def wanted(self, owner: Account, name: str, written: str, uuid: str, snapshots: dict[str, str], *, given: bool) -> Wanted:
        """A machine to be made, looked at before anything is received. Raises Usage, NotAllowed, Failed.

        Nobody inherits by accident: whoever has the former owner's name, and not their uid, or has both since that account has
        gone, must be `given` it.
        """
        try:
            of = record.decode(written.encode())
        except ValueError as error:
            raise Usage("that is not a machine's backup", str(error), "gaol store restore --list") from None
        for tag in snapshots:
            tag_name(tag)
        if not given and of.owner.uid != owner.uid:
            why = f"the machine's owner had the uid {of.owner.uid}, and {owner.name} has {owner.uid}"
            raise NotAllowed(f"{owner.name} is another account by now", why, f"gaol store restore --as {owner.name}/{name}")
        if not given and self._accounts.left(of.owner):
            why = "the account that the machine belonged to has gone since"
            raise NotAllowed(f"{owner.name} is another account by now", why, f"gaol store restore --as {owner.name}/{name}")
        if self._registry.get(owner.uid, machine_name(name)):
            what = f"there is a machine {owner.name}/{name} already"
            raise Failed(what, "a restore overwrites none", f"gaol store restore --as {owner.name}/{name}-restored")
        return Wanted(owner, name, of.with_(owner=owner), str(UUID(uuid)), snapshots)

    @contextmanager
    def restoring(self) -> Iterator[Received]:
        """A place to receive trees in, which goes with all that is in it. Raises GaolerError."""
        place = self._jailer.paths.staging / secrets.token_hex(6)
        btrfs.create(place)
        try:
            place.chmod(0o700)
            yield Received(place, self._jailer.paths.generations)
        finally:
            btrfs.delete(place)

    def make(self, wanted: Wanted, received: Received) -> Machine:
        """The machine, stopped, of the same make within the limits of today. Raises GaolerError."""
        of = self._quotas.held(wanted.record)
        request = Request.of(of, installed.all_kernels(self._jailer.paths.kernels))
        origin = (of.base, of.generation if self._is_ours(of, received) else None)
        fill = partial(btrfs.snapshot, received.path(wanted.uuid))
        machine = self._making.create(wanted.owner, wanted.name, request, populate=fill, origin=origin)
        with machine.locked():
            directory = self._jailer.paths.snapshots / machine.record.id
            for tag, uuid in wanted.snapshots.items():
                directory.mkdir(mode=0o700, exist_ok=True)
                btrfs.snapshot(received.path(uuid), directory / tag, readonly=True)
        return machine

    def _is_ours(self, of: Record, received: Received) -> bool:
        """Whether the generation that it came from is here, and not only one of that number."""
        base = self._base_of(of)
        return base is not None and base.uuid in received.known


class Received:
    """Trees by UUID, in a directory of their own: what receives them sees nothing else."""

    def __init__(self, place: Path, generations: Path) -> None:
        self._place = place
        self._generations = generations
        self.known: set[str] = set()
        """Those that this host has as generations of bases."""

    def path(self, uuid: str) -> Path:
        """Raises NotFound."""
        found = self._place / str(UUID(uuid))
        if not found.is_dir():
            why = "a machine, or a snapshot of it, is made of that"
            raise NotFound(f"no tree {uuid} in the backup", why, "gaol store restore --list")
        return found

    def has(self, uuid: str) -> bool:
        """Whether a tree need not be received: it is here, as a base's generation."""
        for path in self._generations.glob("*/[0-9]*"):
            if btrfs.is_subvolume(path) and _uuid(path) == uuid:
                copy = self._place / uuid
                btrfs.snapshot(path, copy)
                streams.mark_received(copy, UUID(uuid), btrfs.info(path).generation)
                btrfs.set_readonly(copy, True)
                self.known.add(uuid)
                return True
        return False

    def take(self, uuid: str, descriptor: int) -> None:
        """Receive the tree of that UUID from a descriptor. Raises Failed."""
        before = set(self._place.iterdir())
        streams.ended(streams.receive(self._place, descriptor), "the backup can't be read")
        (new,) = set(self._place.iterdir()) - before or {self._place}
        if new == self._place or str(streams.received_as(new)) != uuid:
            raise Failed("the backup can't be read", f"it has another tree in the place of {uuid}", "gaol store restore --list")
        new.rename(self._place / uuid)


def _uuid(path: Path) -> str:
    return str(btrfs.info(path).uuid)


def _tree(path: Path, parent: Path | None) -> Tree:
    return Tree(path, _uuid(path), parent, _uuid(parent) if parent else None)
