"""Machines that were thrown away and can be had back for a while: their names and places are free, their files still count.

Each lies in .gaoler/removed/ID, with its record and its snapshots; moving them there is a few renames in one file system.
When the time is over, and before that when the store or their owner's quota is short, they go for good, the oldest first.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gaoler import background, files
from gaoler.bases import space
from gaoler.configuration.account import Account
from gaoler.errors import GaolerError, NotFound
from gaoler.host import btrfs
from gaoler.kernels import installed
from gaoler.machines import disks
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.monitor import Monitor
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record, decode
from gaoler.machines.registry import NameTaken, Registry
from gaoler.machines.request import Request
from gaoler.machines.running import Running

PERIOD = 20.0
"""Seconds between looks at what is to go: for so long may an owner find their quota full with what they have thrown away."""
SHORT = 0.9
"""Of an owner's quota: beyond it what they have thrown away goes."""
_MOMENT = 1.0
"""Seconds that a machine that has come back is waited for, which its owner may be starting already, before a sweep sees to it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """`removed` and `until` are seconds since the epoch, `held` the bytes that it takes, where they are counted."""

    path: Path
    record: Record
    removed: float
    until: float
    held: int | None
    snapshots: tuple[str, ...]

    @property
    def gaol(self) -> Path:
        return self.path / "gaol"


class Removed:
    """Of the machines of a registry."""

    def __init__(
        self, registry: Registry, jailer: Jailer, quotas: Quotas, making: Making, running: Running, monitor: Monitor
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._making = making
        self._running = running
        self._monitor = monitor
        self._directory = jailer.paths.removed
        self._lock = threading.Lock()
        """Held by whoever takes one out, or away."""

    def start(self) -> None:
        """See to what is there, now and from now on."""
        background.begin(self._look, "removed")

    def _look(self) -> None:
        try:
            self.sweep()
        finally:  # not before: a sweep that takes long has no other waiting behind it
            self._monitor.after(PERIOD, self.start)

    # throwing away

    def remove(self, machine: Machine, *, force: bool) -> float | None:
        """Stop a machine and put it aside; returns until when it can be had back, None where it is gone. Raises Failed."""
        of = machine.record
        keeps = self._keeps() and not of.ephemeral and space.spare(self._directory) > 0
        if keeps:  # a daemon that is killed meanwhile is followed by one that keeps it, too
            with suppress(OSError):
                self._place(of).mkdir(mode=0o700, exist_ok=True)
        try:
            self._running.remove(machine, force=force, aside=self._put if keeps else None)
        except BaseException:  # whoever removes it at the same time makes its place again
            with suppress(OSError):
                self._place(of).rmdir()
            raise
        kept = self._read(self._place(of))
        return kept.until if kept else None

    def finish(self, machine: Machine, *, force: bool) -> None:
        """The rest of it, after a daemon was killed: it is kept if there is a place for it. Raises Failed."""
        keeps = self._place(machine.record).is_dir()
        self._running.remove(machine, force=force, aside=self._put if keeps else None)

    def _put(self, of: Record) -> None:
        """Its tree first, in one step; its record is the registry's to forget, which makes it this one's alone."""
        place, paths = self._place(of), self._jailer.paths
        ways = ((self._jailer.gaol(of), place / "gaol"), (paths.snapshots / of.id, place / "snapshots"))
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            for here, there in ways:
                with suppress(FileNotFoundError):
                    here.rename(there)
                reach("aside.moved")
            with suppress(FileExistsError):
                os.link(self._registry.directory(of) / "record.json", place / "record.json")
            os.utime(place)
        except OSError as error:
            _log.warning("%s is not kept: %s", of.id, error)

    # what there is

    def of(self, owner: Account) -> list[Kept]:
        """An owner's, the newest first."""
        return [one for one in self._all() if _same(one.record.owner, owner)]

    def find(self, owner: Account, name: str | None) -> Kept:
        """The newest one of that name, or the one with that identity; the newest of all without a name. Raises NotFound."""
        found = self.of(owner)
        for one in found:
            if name in (None, one.record.name, one.record.id):
                return one
        there = ", ".join(dict.fromkeys(one.record.name for one in found))
        what = f'no removed machine "{name[:40]}"' if name else "no removed machine"
        why = f"those that can be had back: {there}" if there else "nothing can be had back"
        raise NotFound(what, why, "gaol ls --removed")

    def _all(self) -> list[Kept]:
        found = (self._read(path) for path in self._directory.iterdir())
        return sorted((one for one in found if one), key=lambda one: -one.removed)

    def _read(self, path: Path) -> Kept | None:
        """None for one that isn't whole, or is just going."""
        try:
            record = decode((path / "record.json").read_bytes())
            removed = path.stat().st_mtime
            tags = sorted(one.name for one in (path / "snapshots").iterdir()) if (path / "snapshots").is_dir() else []
        except (OSError, ValueError):
            return None
        if not (path / "gaol").is_dir():
            return None
        until = removed + self._registry.configuration.machines.removed
        return Kept(path, record, removed, until, disks.used(record, path / "gaol"), tuple(tags))

    # having back

    def restore(self, owner: Account, kept: Kept, name: str | None) -> Machine:
        """The machine, stopped, of the same make within the limits of today, with its snapshots. Raises GaolerError."""
        with self._lock:
            found = self._there(kept)
            try:
                return self._restored(owner, found, name)
            except NameTaken as error:
                hint = f"gaol restore --removed {found.record.name} --as NEW-NAME"
                raise NameTaken(error.what, "what comes back replaces none", hint) from None

    def _there(self, kept: Kept) -> Kept:
        found = self._read(kept.path)
        if found is None:
            name = kept.record.name
            raise NotFound(f"{name} is gone", "somebody was faster, or its time was over", "gaol ls --removed")
        return found

    def _restored(self, owner: Account, kept: Kept, name: str | None) -> Machine:
        of = self._quotas.held(kept.record)
        request = Request.of(of, installed.all_kernels(self._jailer.paths.kernels))
        again = kept.path / "again"
        btrfs.delete(again)  # of a daemon that was killed
        btrfs.snapshot(kept.gaol, again)  # what is made goes with all that it has where the rest of its making fails

        def move(gaol: Path) -> None:
            files.write(kept.path / "into", gaol.name.encode(), durable=True)
            kept.gaol.rename(gaol)

        try:
            origin = (of.base, of.generation)
            machine = self._making.create(owner, name or of.name, request, populate=move, origin=origin)
        except BaseException:
            if kept.gaol.is_dir():
                btrfs.delete(again)
            else:
                again.rename(kept.gaol)
            os.utime(kept.path, (kept.removed, kept.removed))
            raise
        reach("had.back")
        self._hand_over(kept.path, machine)
        return machine

    def _hand_over(self, path: Path, machine: Machine) -> None:
        """Have a machine that has come back have its snapshots, too; what is left goes. A later sweep does where it is busy."""
        if not machine.lock.acquire(timeout=_MOMENT):
            return
        try:
            if (path / "snapshots").is_dir() and not machine.observed.gone:
                _add(path / "snapshots", self._jailer.paths.snapshots / machine.record.id)
            _delete(path)
        except (GaolerError, OSError) as error:  # it is back all the same
            _log.error("the snapshots of %s: %s", machine.record.label, error)
        finally:
            machine.lock.release()

    # going for good

    def drop(self, kept: Kept) -> None:
        """Raises GaolerError."""
        with self._lock:
            _delete(self._there(kept).path)

    def sweep(self) -> None:
        """What is over, is in the way, or was left half done by a daemon that was killed."""
        try:
            with self._lock:
                self._sweep()
        except (GaolerError, OSError) as error:
            _log.error("%s", error)
        except Exception:  # the next sweep may do better, and somebody is to know
            _log.exception("while clearing away what was removed")

    def _sweep(self) -> None:
        there = list(self._directory.iterdir())
        machines = {machine.record.id: machine for machine in self._registry.all()}  # asked first: what leaves it is whole
        whole = self._all()
        for path in {*there} - {self._directory / one for one in machines} - {one.path for one in whole}:
            if back := machines.get(_into(path)):
                self._hand_over(path, back)
            else:
                _deleted(path)
        self._make_room(whole)

    def _make_room(self, whole: list[Kept]) -> None:
        """Delete the oldest first. Where room is short one alone goes for it, of a store or an owner: btrfs gives the room back
        in the background, and the next look shows whether that was enough.
        """
        tight, made_room = space.spare(self._directory) <= 0, set[int]()
        for one in reversed(whole):
            whose = one.record.owner.uid
            is_over = not self._keeps() or one.until < time.time()
            if not (is_over or tight or (whose not in made_room and self._is_short(one))):
                continue
            if _deleted(one.path):
                _log.info("%s, which was removed, is deleted", one.record.label)
                tight = False
                made_room.add(whose)

    def _is_short(self, one: Kept) -> bool:
        group = btrfs.group(self._directory, one.record.owner.quota) if one.record.owner.uid else None
        return group is not None and bool(group.limit) and group.used > SHORT * (group.limit or 0)

    def _keeps(self) -> bool:
        return self._registry.configuration.machines.removed > 0

    def _place(self, of: Record) -> Path:
        return self._directory / of.id


def _same(one: Account, other: Account) -> bool:
    """Whether they are one account, and not two that had the same uid one after the other."""
    return one.uid == other.uid and one.mark in ("", other.mark)


def _into(path: Path) -> str:
    """The identity of the machine that a restore which was cut short was making of it; nothing where there was none."""
    try:
        return (path / "into").read_text()
    except (OSError, ValueError):
        return ""


def _add(snapshots: Path, there: Path) -> None:
    """Move snapshots to where others may be, of which none is overwritten. What was cut short is finished."""
    there.mkdir(mode=0o700, exist_ok=True)
    for tree in snapshots.iterdir():
        if not (there / tree.name).exists():
            btrfs.set_readonly(tree, False)  # or it can't leave its directory
            tree.rename(there / tree.name)
    for tree in there.iterdir():
        btrfs.set_readonly(tree, True)


def _deleted(path: Path) -> bool:
    """Whether it could be: one that can't hinders no other, and is tried again by the next sweep."""
    try:
        _delete(path)
    except (GaolerError, OSError) as error:
        _log.error("%s, which was removed, can't be deleted: %s", path.name, error)
        return False
    return True


def _delete(path: Path) -> None:
    (path / "record.json").unlink(missing_ok=True)  # it is not there to be had from here on
    snapshots = path / "snapshots"
    for tree in (path / "gaol", path / "again", *(snapshots.iterdir() if snapshots.is_dir() else ())):
        btrfs.delete(tree)
    shutil.rmtree(path, ignore_errors=True)
