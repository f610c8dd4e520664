"""Machines from their making to their end. Every method is safe to call at any time, in any order, from any thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gaoler import files
from gaoler.bases.generations import Bases
from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, mconsole
from gaoler.kernels import installed as kernels
from gaoler.machines import keys, live, watching
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.request import Request
from gaoler.machines.tally import Reason, Tally
from gaoler.store.names import machine_name

_COUNTING = 60.0
"""Seconds that a new machine waits for full quotas to have counted the store, once, after they were turned on."""
_log = logging.getLogger(__name__)


class Machines(Registry):
    """The machines of one daemon, and all that happens to them."""

    def __init__(self, configuration: Configuration, jailer: Jailer, bases: Bases, monitor: Monitor) -> None:
        super().__init__(configuration, jailer)
        self.bases = bases
        self.monitor = monitor
        self._no_quotas: GaolerError | None = None
        self.tally = Tally()

    # making

    def create(
        self, owner: Account, name: str | None, request: Request, *, populate: Callable[[Path], None] | None = None
    ) -> Machine:
        """A new machine, stopped, its gaol cloned from its base, or made by `populate`. One without a name is thrown away.

        Raises NotFound, Usage, LimitReached, NameTaken, Failed.
        """
        base = self.bases.find(request.base)
        kernel = kernels.find(self.paths.kernels, request.kernel or "")
        disk = self._disk(request)
        if name is not None:
            machine_name(name)

        def describe(identity: str, slot: int) -> Record:
            addresses = self.jailer.network.addresses(identity, slot)
            return Record(
                **request.shape() | {"disk": disk},
                id=identity,
                name=name or f"run-{identity[:6]}",
                owner=owner,
                base=base.name,
                generation=base.generation,
                kernel=kernel.name if request.kernel else None,
                slot=slot,
                mac=addresses.mac,
                address=addresses.address if request.network else None,
                address6=addresses.address6 if request.network else None,
                created=time.time(),
                ephemeral=name is None,
                wanted="stopped",
            )

        with self.added(owner, name, describe) as machine, ExitStack() as undo:
            undo.callback(self.jailer.delete_gaol, machine.record)
            self.save(machine.record)
            reach("create.recorded")
            gaol = self.jailer.gaol(machine.record)
            if populate:
                populate(gaol)
            else:
                self.bases.clone(base, gaol)
            reach("create.cloned")
            self.limit_disk(machine.record, gaol)
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
        """Find out whether this host can, and is to, limit what machines' files take."""
        kind = self.configuration.store.quotas
        if kind == "off":
            self._no_quotas = Failed("disks are not limited here", "store.quotas is off, set by the administrator")
            return
        try:
            btrfs.enable_quotas(self.paths.store, kind)
            self._no_quotas = None
        except GaolerError as error:
            if self._no_quotas is None:
                _log.warning("machines' disks are not limited: %s", error)
            self._no_quotas = error

    def _disk(self, request: Request) -> int | None:
        if request.disk and self._no_quotas:
            self.prepare_quotas()  # it may have been the store's trouble at that time, and not the kernel's
        if request.disk and self._no_quotas and request.disk_asked:
            raise self._no_quotas
        return None if self._no_quotas else request.disk

    def limit_disk(self, of: Record, gaol: Path) -> None:
        """Let a subvolume that is, or becomes, a machine's gaol hold no more than its record says.

        And its owner no more in all than his machines may: what a gaol has written outlives it in snapshots and clones,
        and each that comes after has a limit of its own.
        """
        if not of.disk:
            return
        if btrfs.quotas(gaol) is None:  # an administrator has turned them off since
            self.prepare_quotas()
        if btrfs.quotas(gaol) == "full":
            btrfs.wait_counted(gaol, _COUNTING)
            btrfs.set_limit(gaol, of.disk + self._shared(of))
            return
        btrfs.set_limit(gaol, of.disk)
        one, machines = (limit_of(self.configuration.limits, of.owner, key).value for key in ("disk", "machines"))
        if one and of.owner.uid:
            btrfs.charge(gaol, of.owner.uid, int(one * machines))

    def _shared(self, of: Record) -> int:
        """Bytes that a machine has of its base, which full quotas count too."""
        base = self.paths.generations / of.base / (of.generation or "")
        counted = btrfs.quota(base) if of.generation and btrfs.is_subvolume(base) else None
        return counted.used if counted else 0

    # starting

    def start(self, machine: Machine) -> None:
        """Start the machine's kernel; a machine that runs already stays as it is. Raises GaolerError."""
        with machine.lock:
            if machine.live is not None:
                return
            self.check_there(machine)
            kernel = kernels.find(self.paths.kernels, machine.record.kernel or self.configuration.machines.kernel)
            machine.update(lambda: _set(machine, busy="starting", reason=None, answered=False, begun=time.monotonic()))
            try:
                self.want(machine, "running")
                reach("start.wanted")
                if self.jailer.left_over(machine.record):
                    self.jailer.release(machine.record)  # of a start, or a stop, that was cut short
                with ExitStack() as undo:
                    observed, notify = self.jailer.start(
                        machine.record, kernel, keys.public(self.paths.keys, machine.record.owner), self._busy()
                    )
                    undo.callback(self.jailer.release, machine.record)
                    undo.callback(notify.close)
                    self.weigh(machine.record)
                    reach("start.jailed")
                    machine.update(lambda: _set(machine, live=observed, busy=None))
                    self.tally.starts.inc()
                    watching.attend(self, machine, notify)
                    reach("start.watched")
                    undo.pop_all()
            except BaseException as error:
                reason = str(error)
                self.tally.failures.inc()
                machine.update(lambda: _set(machine, live=None, busy=None, reason=reason))
                raise

    def weigh(self, of: Record) -> None:
        """Give the machine's owner, with all machines of his that run, the weight that the administrator grants."""
        self.jailer.owners.weigh(of.owner.uid, int(limit_of(self.configuration.limits, of.owner, "weight").value))

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

    def observe(self, machine: Machine, change: Callable[[Live], Live]) -> None:
        """Take note of what a running machine has become. `change` makes it of what is known by then: nothing told is lost."""

        def note() -> None:
            if machine.live is None:
                return
            observed = change(machine.live)
            if machine.begun is not None:
                self.tally.reached(machine.live, observed, time.monotonic() - machine.begun)
            begun = None if observed.ready else machine.begun
            _set(machine, live=observed, answered=machine.answered or observed.agent, begun=begun)
            try:
                files.write(self.jailer.runtime(machine.record).live, live.encode(observed), durable=False)
            except GaolerError as error:
                _log.warning("%s", error)

        machine.update(note)

    # stopping

    def stop(self, machine: Machine, *, force: bool = False, reason: Reason = "asked") -> None:
        """Stop the machine, its programs first unless `force`; nothing where it does not run. Raises Failed."""
        with machine.lock:  # not in the middle of a start
            self.want_stopped(machine)
            observed = machine.live
            if observed is None:
                return
            machine.update(lambda: _set(machine, busy="stopping", ending=reason))
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
            died = None if graceful else why or watching.last_words(self, machine)
            if why and (graceful or machine.record.ephemeral):  # whose reason nobody may come to see
                _log.warning("%s: as it was stopped: %s", machine.record.id, why)
            try:
                self.jailer.release(machine.record)
            except GaolerError as error:
                _log.error("%s", error)
            if not graceful:
                self.want_stopped(machine)
            self.tally.ends.labels(_reason(machine, machine.live, why)).inc()
            machine.update(lambda: _set(machine, live=None, reason=died))

    def remove(self, machine: Machine, *, force: bool = False) -> None:
        """Stop the machine and throw its files away. Idempotent. Raises Failed."""
        self.stop(machine, force=force)
        with machine.lock:
            if machine.gone:
                return
            try:
                self.want(machine, "removed")
            except Failed as error:  # the store is full, which this mends; or takes no writes at all, as we shall see
                _log.warning("%s: removed without a note of it: %s", machine.record.id, error)
            reach("remove.wanted")
            if self.jailer.left_over(machine.record):
                self.jailer.release(machine.record)
            reach("remove.released")
            self.jailer.delete_gaol(machine.record)
            reach("remove.deleted")
            self.forget(machine)
            machine.update(lambda: _set(machine, gone=True))


def _reason(machine: Machine, observed: Live, why: str | None) -> Reason:
    """What is counted for a machine's end; `why` is what its watch knows of a bad one."""
    if why == watching.OUT_OF_MEMORY:
        return "memory"
    if machine.record.ephemeral:  # the command's end is the machine's, whoever of the two is seen first
        return "crashed" if why else "itself"
    if machine.busy == "stopping":
        return machine.ending
    return "itself" if observed.stopping else "crashed"


def _set(machine: Machine, **values: object) -> None:
    for name, value in values.items():
        setattr(machine, name, value)
