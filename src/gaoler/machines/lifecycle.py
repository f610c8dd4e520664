"""Machines from their making to their end. Every method is safe to call at any time, in any order, from any thread."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from gaoler.errors import Failed, GaolerError, LimitReached, NotFound
from gaoler.host import btrfs, mconsole
from gaoler.machines import kernels, keys, live, record, watching
from gaoler.machines.bases import Bases
from gaoler.machines.configuration import Configuration
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import IDS, Jailer
from gaoler.machines.limits import limit_of
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.names import machine_name
from gaoler.machines.record import Account, Record
from gaoler.machines.request import Request

_log = logging.getLogger(__name__)


class Machines:
    """All machines of one daemon."""

    def __init__(self, configuration: Configuration, jailer: Jailer, bases: Bases, monitor: Monitor) -> None:
        self.configuration = configuration
        self.paths = jailer.paths
        self.jailer = jailer
        self.bases = bases
        self.monitor = monitor
        self._machines: dict[str, Machine] = {}
        self._lock = threading.Lock()
        self._next_slot = 0
        self._no_quotas: GaolerError | None = None

    # finding

    def all(self) -> list[Machine]:
        with self._lock:
            return sorted(self._machines.values(), key=lambda machine: (machine.record.owner.name, machine.record.name))

    def of(self, uid: int) -> list[Machine]:
        return [machine for machine in self.all() if machine.record.owner.uid == uid]

    def find(self, uid: int, name: str) -> Machine:
        """A user's machine. Raises NotFound, the same for no machine and for another user's."""
        for machine in self.of(uid):
            if machine.record.name == name and not machine.record.ephemeral:
                return machine
        there = ", ".join(machine.record.name for machine in self.of(uid) if not machine.record.ephemeral)
        raise NotFound(
            f'no machine "{name[:40]}"',
            f"you have: {there or 'none'}",
            f"gaol up {name[:32]}" if not there else "gaol ls",
        )

    # making

    def create(
        self, owner: Account, request: Request, *, ephemeral: bool = False, populate: Callable[[Path], None] | None = None
    ) -> Machine:
        """A new machine, stopped, its gaol cloned from its base, or made by `populate`.

        Raises NotFound, Usage, LimitReached, Failed.
        """
        base = self.bases.find(request.base)
        kernel = kernels.find(self.paths.kernels, request.kernel or "")
        with self._lock:
            self._check_room(owner, request, ephemeral)
            slot = self._free_slot()
            identity = secrets.token_hex(6)
            addresses = self.jailer.network.addresses(identity, slot)
            machine = Machine(
                Record(
                    id=identity,
                    name=machine_name(request.name) if not ephemeral else f"run-{identity[:6]}",
                    owner=owner,
                    base=base.name,
                    generation=base.generation,
                    kernel=kernel.name if request.kernel else None,
                    slot=slot,
                    mac=addresses.mac,
                    address=addresses.address if request.network else None,
                    address6=addresses.address6 if request.network else None,
                    created=time.time(),
                    ephemeral=ephemeral,
                    wanted="stopped",
                    **(request.sizes() | {"disk": self._disk(request)}),
                )
            )
            self._machines[identity] = machine
        with ExitStack() as undo:
            undo.callback(self._forget, machine)
            undo.callback(self.jailer.delete_gaol, machine.record)
            self._save(machine)
            reach("create.recorded")
            gaol = self.jailer.gaol(machine.record)
            if populate:
                populate(gaol)
            else:
                self.bases.clone(base, gaol)
            reach("create.cloned")
            self.jailer.limit(machine.record, gaol)
            undo.pop_all()
        return machine

    def clone_ahead(self, base: str) -> None:
        """Clone a base for the next machine, in the background."""

        def work() -> None:
            try:
                self.bases.clone_ahead(base)
            except (GaolerError, OSError) as error:
                _log.info("no clone of %s ahead: %s", base, error)

        threading.Thread(target=work, name="clone ahead", daemon=True).start()

    def prepare_quotas(self) -> None:
        """Find out whether this host can limit what machines' files take."""
        try:
            btrfs.enable_quotas(self.paths.store)
        except GaolerError as error:
            self._no_quotas = error
            _log.warning("machines' disks are not limited: %s", error)

    def _disk(self, request: Request) -> int | None:
        if request.disk and self._no_quotas and request.disk_asked:
            raise self._no_quotas
        return None if self._no_quotas else request.disk

    def _check_room(self, owner: Account, request: Request, ephemeral: bool) -> None:
        own = [machine for machine in self._machines.values() if machine.record.owner.uid == owner.uid]
        if not ephemeral and any(machine.record.name == request.name and not machine.record.ephemeral for machine in own):
            raise Failed(f'there is a machine "{request.name}" already', "", f"gaol up {request.name}")
        limit = limit_of(self.configuration.limits, owner, "machines")
        if owner.uid != 0 and len(own) >= limit.value:
            raise LimitReached(
                f"you have {len(own)} machines",
                f"{limit.setting} is {limit.value:g}, set by the administrator",
                "gaol rm one",
            )

    def _free_slot(self) -> int:
        """A place that is not taken, and was not lately: ids and addresses of the dead come back late."""
        taken = {machine.record.slot for machine in self._machines.values()}
        slots, network = self.configuration.ids.count // IDS, self.jailer.network.capacity
        if network is not None:
            slots = min(slots, network)
        for step in range(slots):
            slot = (self._next_slot + step) % slots
            if slot not in taken:
                self._next_slot = slot + 1
                return slot
        raise LimitReached(
            "there is no room for another machine",
            f"the host ids of [ids] and the addresses of [network] suffice for {slots}",
            "gaol rm machines, or change those settings",
        )

    # starting

    def start(self, machine: Machine) -> None:
        """Start the machine's kernel; a machine that runs already stays as it is. Raises GaolerError."""
        with machine.lock:
            if machine.live is not None:
                return
            self.check_there(machine)
            kernel = kernels.find(self.paths.kernels, machine.record.kernel or self.configuration.machines.kernel)
            machine.update(lambda: _set(machine, busy="starting", reason=None, answered=False))
            try:
                self._want(machine, "running")
                reach("start.wanted")
                if self.jailer.left_over(machine.record):
                    self.jailer.release(machine.record)  # of a start, or a stop, that was cut short
                observed, notify = self.jailer.start(
                    machine.record, kernel, keys.public(self.paths.keys, machine.record.owner), self._busy()
                )
                reach("start.jailed")
                machine.update(lambda: _set(machine, live=observed, busy=None))
                watching.attend(self, machine, notify)
                reach("start.watched")
            except BaseException as error:
                reason = str(error)
                machine.update(lambda: _set(machine, live=None, busy=None, reason=reason))
                raise

    def _busy(self) -> dict[int, int]:
        """Running machines by the processor that they are pinned to."""
        found: Counter[int] = Counter()
        for machine in self.all():
            if machine.live:
                try:
                    pinned = os.sched_getaffinity(machine.live.process.pid)
                except ProcessLookupError:
                    continue
                if len(pinned) == 1:
                    found.update(pinned)
        return found

    def wait_ready(self, machine: Machine, timeout: float | None) -> bool:
        """Until it is ready, or has told what is missing, or has stopped; False when the time (seconds) ran out.

        Raises Failed when the machine ended instead.
        """
        settled = machine.wait(lambda: machine.live is None or machine.live.settled, timeout)
        if machine.live is None:
            raise _ended(machine)
        return settled

    def wait_agent(self, machine: Machine, timeout: float) -> None:
        """Until commands can be run inside. Raises Failed."""
        if not machine.wait(lambda: machine.live is None or machine.live.agent, timeout):
            raise Failed(
                f"machine {machine.record.name} does not answer",
                f"for {timeout:.0f} s",
                f"gaol log {machine.record.name}",
            )
        if machine.live is None:
            raise _ended(machine)

    def waits_for_address(self, machine: Machine) -> bool:
        """Whether its address comes later than its agent, so that a command must not be run at once."""
        return machine.record.network and machine.record.address is None and self.configuration.network.mode != "none"

    def give_up_waiting(self, machine: Machine) -> None:
        """The deadline has passed: what did not come is missing."""
        observed = machine.live
        if observed and not observed.settled:
            lacks = [name for name, there in (("address", observed.address or not machine.record.network),
                                              ("sshd", observed.sshd)) if not there]  # fmt: skip
            self.observe(machine, replace(observed, missing=tuple(lacks or ["init"])))

    def observe(self, machine: Machine, observed: Live) -> None:
        """Take note of what a running machine has become."""
        answered = machine.answered or observed.agent
        machine.update(lambda: _set(machine, live=observed, answered=answered) if machine.live else None)
        try:
            record.write(self.jailer.runtime(machine.record).live, live.encode(observed), durable=False)
        except GaolerError as error:
            _log.warning("%s", error)

    # stopping

    def stop(self, machine: Machine, *, force: bool = False) -> None:
        """Stop the machine, its programs first unless `force`; nothing where it does not run. Raises Failed."""
        with machine.lock:  # not in the middle of a start
            self._want(machine, "stopped")
            observed = machine.live
            if observed is None:
                return
            machine.update(lambda: _set(machine, busy="stopping"))
        reach("stop.wanted")
        try:
            ended = False
            if not force:
                try:
                    mconsole.ctrl_alt_del(observed.process)
                    ended = observed.process.wait(self.configuration.machines.grace)
                except GaolerError as error:
                    _log.info("%s: no graceful stop: %s", machine.record.id, error)
            if not ended:
                observed.process.kill()
                if not observed.process.wait(10):
                    raise Failed(f"machine {machine.record.name} does not end", f"process {observed.process.pid}", "gaol doctor")
            reach("stop.ended")
            self.ended(machine, observed)
        finally:
            machine.update(lambda: _set(machine, busy=None))

    def ended(self, machine: Machine, observed: Live) -> None:
        """The machine's process is gone: clear up after it. Called by whoever sees it first, and once more by the others."""
        with machine.lock:
            if machine.live is None or machine.live.process != observed.process:
                return
            why = watching.leave(self, machine)
            graceful = machine.live.stopping or machine.record.wanted != "running"
            died = None if graceful or machine.record.ephemeral else why or "its kernel ended by itself"
            try:
                self.jailer.release(machine.record)
            except GaolerError as error:
                _log.error("%s", error)
            if not graceful:
                self._want(machine, "stopped")
            machine.update(lambda: _set(machine, live=None, reason=died))

    def remove(self, machine: Machine, *, force: bool = False) -> None:
        """Stop the machine and throw its files away. Idempotent. Raises Failed."""
        self.stop(machine, force=force)
        with machine.lock:
            if machine.gone:
                return
            self._want(machine, "removed")
            reach("remove.wanted")
            if self.jailer.left_over(machine.record):
                self.jailer.release(machine.record)
            reach("remove.released")
            self.jailer.delete_gaol(machine.record)
            reach("remove.deleted")
            self._forget(machine)
            machine.update(lambda: _set(machine, gone=True))

    # records

    def check_there(self, machine: Machine) -> None:
        """To be asked by who holds its lock, for whom it may have been removed while he waited. Raises NotFound, Failed."""
        if machine.gone or machine.record.wanted == "removed":
            raise NotFound(f'no machine "{machine.record.name}"', "it was removed meanwhile", "gaol ls")
        if not self.jailer.gaol(machine.record).is_dir():
            raise Failed(f"the files of machine {machine.record.name} are gone", "", f"gaol rm {machine.record.name}")

    def change(self, machine: Machine, **changes: object) -> None:
        """Change what is wanted of a machine, durably."""
        machine.record = machine.record.with_(**changes)
        self._save(machine)

    def _want(self, machine: Machine, wanted: record.Wanted) -> None:
        if machine.record.wanted != wanted and not machine.gone:
            self.change(machine, wanted=wanted)

    def _record_path(self, of: Record) -> Path:
        return self.jailer.runtime(of).record if of.ephemeral else self.paths.records / of.id / "record.json"

    def log_path(self, of: Record) -> Path:
        return self.jailer.runtime(of).root / "console.log" if of.ephemeral else self.paths.records / of.id / "console.log"

    def _save(self, machine: Machine) -> None:
        path = self._record_path(machine.record)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failed(f"can't write {path}", error.strerror or str(error), "gaol store info tells how full it is") from None
        record.write(path, record.encode(machine.record), durable=not machine.record.ephemeral)

    def _forget(self, machine: Machine) -> None:
        directory = self._record_path(machine.record).parent
        for name in ("record.json", "console.log", "console.log.1"):
            (directory / name).unlink(missing_ok=True)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        with self._lock:
            self._machines.pop(machine.record.id, None)

    def adopt(self, machine: Machine) -> None:
        """Take a machine in that was found at start-up."""
        with self._lock:
            self._machines[machine.record.id] = machine
            self._next_slot = max(self._next_slot, machine.record.slot + 1)


def _ended(machine: Machine) -> Failed:
    name = machine.record.name
    return Failed(f"machine {name} ended instead of getting ready", machine.reason or "", f"gaol log {name}")


def _set(machine: Machine, **values: object) -> None:
    for name, value in values.items():
        setattr(machine, name, value)
