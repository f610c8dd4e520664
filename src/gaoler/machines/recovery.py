"""What a daemon finds when it starts: running machines are taken over, half-made ones finished or cleared away.

Crash-only: there is no other way to start, and nothing is removed but what a record, or its place, says is to go.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gaoler import background
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, jail
from gaoler.machines import asleep, live, observed, record
from gaoler.machines.copies import Copy, read
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.registry import Registry
from gaoler.machines.removed import Removed
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions

_TOLD = "/run/startenv/told"
"""Where a machine keeps its milestones (guest/bin/services)."""
_PATIENCE = 10.0
"""Seconds for a machine to repeat them."""
_log = logging.getLogger(__name__)


class Recovery:
    """Of the machines of a registry that is still empty."""

    def __init__(
        self, registry: Registry, jailer: Jailer, running: Running, sessions: Sessions, removed: Removed, *, booted: bool
    ) -> None:
        """`booted`: whether the host has, since there was a daemon last."""
        self._booted = booted
        self._registry = registry
        self._jailer = jailer
        self._running = running
        self._sessions = sessions
        self._removed = removed

    def recover(self) -> None:
        """Make memory, records and the host agree. Raises Failed where the records can't be read: nothing is touched then."""
        try:
            recorded = list(self._recorded())
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            raise Failed("the records of machines can't be read", why, "gaol doctor") from error
        for machine in recorded:
            self._registry.adopt(machine)
            try:
                self._settle(machine)
            except (GaolerError, OSError) as error:
                _log.error("machine %s: %s", machine.record.label, error)
        self._clear_strays()
        self._jailer.owners.clear()
        shutil.rmtree(self._jailer.paths.former_keys, ignore_errors=True)

    def _recorded(self) -> Iterator[Machine]:
        paths = self._jailer.paths
        for path in sorted([*paths.records.glob("*/record.json"), *paths.machines.glob("*/record.json")]):
            try:
                yield Machine(record.decode(path.read_bytes()))
            except (OSError, ValueError) as error:
                _log.error("%s can't be read, and is left alone: %s", path, error)

    def _settle(self, machine: Machine) -> None:
        of = machine.record
        found = self._found(machine)
        sleeps = self._slept_on(of)
        if found is not None and found.given and of.wanted in ("running", "asleep"):
            self._registry.want(machine, "running")
            asleep.forget(self._jailer.paths, of.id)  # it was woken, or not put to sleep
            self._running.take_over(machine, found)
            background.begin(partial(self._catch_up, machine), "catch-up")
            _log.info("machine %s runs on", of.label)
        elif of.wanted == "removed" or of.ephemeral:
            self._removed.finish(machine, force=True)
        else:
            self._jailer.release(of)
            if sleeps:
                self._registry.want(machine, "asleep")
                self._running.rests(machine, sleeps.addresses)
                return
            asleep.forget(self._jailer.paths, of.id)
            if of.wanted in ("running", "asleep"):
                if self._booted:
                    machine.happen(observed.went_down_with_host)
                else:
                    machine.happen(observed.was_lost, "it was running when the daemon went down, and ended meanwhile")
                self._registry.change(machine, wanted="stopped")
            if not self._jailer.gaol(of).is_dir():
                # The daemon was killed between the record and the clone: there never was a machine.
                self._running.remove(machine, force=True)

    def _slept_on(self, of: record.Record) -> Copy | None:
        """What a machine that does not run can go on from, where it slept, or was about to wake."""
        paths = self._jailer.paths
        noted = of.wanted == "asleep" or (of.wanted == "running" and asleep.is_begun(paths, of.id))
        return read(asleep.image(paths, of.id)) if noted else None

    def _catch_up(self, machine: Machine) -> None:
        """Hear what the machine told while no daemon was there to listen."""
        try:
            kept = self._sessions.output_of(machine, ("cat", _TOLD), limit=4096, timeout=_PATIENCE)
        except GaolerError as error:
            _log.info("machine %s does not answer yet: %s", machine.record.label, error)
            return
        for line in (b"gaol agent\n" + kept).decode(errors="replace").splitlines():
            if machine.live:
                own = partial(self._jailer.network.gave, machine.record)
                self._running.note(machine, partial(live.told, text=line, own=own))

    def _found(self, machine: Machine) -> live.Live | None:
        try:
            found = live.decode(self._jailer.runtime(machine.record).live.read_bytes())
        except (OSError, ValueError):
            return None
        return found if found.process.alive() else None

    def _clear_strays(self) -> None:
        """What bears the name of a machine that has no record: jails and runtime directories, throw-away gaols, staging."""
        known = {machine.record.id for machine in self._registry.all()}
        # Whose record is there but can't be read is left alone, running or not.
        known |= {path.parent.name for path in self._jailer.paths.records.glob("*/record.json")}
        prefix = f"{self._jailer.prefix}-"
        for name in jail.listed(prefix, runtime=self._jailer.paths.jails):
            if name.removeprefix(prefix) not in known:
                _try(partial(jail.remove, name, runtime=self._jailer.paths.jails, cgroup_path=self._jailer.owners.find(name)))
        for path in self._jailer.paths.machines.iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)
        for path in self._jailer.paths.records.iterdir():
            # Killed before the record was written, or after it was removed: the first and the last trace of a machine.
            if not (path / "record.json").exists():
                shutil.rmtree(path, ignore_errors=True)
        for path in self._jailer.paths.backups.glob("*/*/*"):
            if path.parent.parent.name not in known:
                _try(partial(_delete, path))
        for path in self._jailer.paths.memory.iterdir():
            if path.name not in known:  # templates of an earlier daemon
                for kept in path.iterdir():
                    _try(partial(_delete, kept))
                _try(path.rmdir)
        for directory in (self._jailer.paths.ephemeral, self._jailer.paths.staging):
            for path in directory.iterdir():
                if path.name not in known:
                    _try(partial(_delete, path))


def _delete(path: Path) -> None:
    if btrfs.is_subvolume(path):
        btrfs.delete(path)
    else:
        shutil.rmtree(path)


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except (GaolerError, OSError) as error:
        _log.error("%s", error)
