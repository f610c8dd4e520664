"""Machines from their start to their end. Every method is safe to call at any time, in any order, from any thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace

from gaoler import files
from gaoler.errors import Failed, GaolerError
from gaoler.host import cgroup, mconsole
from gaoler.kernels import installed
from gaoler.machines import admission, asking, asleep, events, keys, live, observed
from gaoler.machines.allotment import Allotment
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer, bind_notify
from gaoler.machines.knocking import Knocking
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.observed import Observed
from gaoler.machines.pressure import Pressure
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.resuming import Resumed
from gaoler.machines.tally import Reason, Tally
from gaoler.machines.watches import Watches, last_words
from gaoler.units import show_duration

_log = logging.getLogger(__name__)


class Running:
    """Starts and ends the machines of a registry, and is told by its watches what happens to them."""

    def __init__(self, registry: Registry, jailer: Jailer, quotas: Quotas, monitor: Monitor, tally: Tally) -> None:
        self._registry = registry
        self.allotment = Allotment(registry, jailer, quotas)
        self._jailer = jailer
        self._tally = tally
        self._configuration = registry.configuration
        self._admitting = threading.Lock()
        self._watches = Watches(registry, jailer, monitor, on_told=self.note, on_end=self._bury, on_expiry=self._expired)
        self._pressure = Pressure(registry, jailer, monitor, self._end_under_pressure)
        self.knocking = Knocking(jailer.network, monitor)
        self.when_idle: Callable[[Machine], bool] = lambda _: False
        """What is tried with a machine that does nothing, before it is stopped; whether it did."""

    # starting

    def start(self, machine: Machine, image: Resumed | None = None) -> None:
        """Start the machine's kernel; a machine that runs already stays as it is. Raises GaolerError.

        With an `image` it goes on from that.
        """
        needed = image.kernel if image else machine.record.kernel or self._configuration.machines.kernel
        begun = time.monotonic()
        with machine.lock:
            if machine.live is not None:
                return
            self._registry.check_there(machine)
            self._registry.check_idle(machine)
            self._check_owner(machine)
            self.allotment.hold(machine)
            paths = self._jailer.paths
            kernel = installed.find(paths.kernels, needed)
            with self._admitting:  # of two that start at once, the second one knows of the first
                self.allotment.admit(admission.of_record(machine.record), machine)
                machine.happen(observed.starts, time.monotonic())
            self.knocking.leave(machine)
            try:
                if self._jailer.left_over(machine.record):
                    self._jailer.release(machine.record)  # of a start, or a stop, that was cut short
                self._registry.settle_in(machine)
                # The disk takes as long as crun does, and neither needs the other.
                with self._registry.wanting(machine, "running") as noted, ExitStack() as undo:
                    reach("start.wanted")
                    started, notify = self._jailer.start(
                        machine.record, kernel, self._authorized(machine.record), self.allotment.pinned(), image
                    )
                    started = replace(started, **image.told) if image else started
                    undo.callback(self._jailer.release, machine.record)
                    undo.callback(notify.close)
                    self.allotment.weigh(machine.record)
                    self._pressure.attend(machine.record.owner)
                    noted.result()
                    reach("start.jailed")
                    machine.happen(observed.runs, started)
                    self._tally.starts.inc()
                    self.note(machine, lambda known: known)  # on disk before the first milestone
                    self._watches.attend(machine, notify)
                    reach("start.watched")
                    undo.pop_all()
            except BaseException as error:
                self._tally.failures.inc()
                machine.happen(observed.was_not_started, str(error))
                events.tell(machine.record, "not started", str(error), level=logging.WARNING)
                raise
            how = f"in {time.monotonic() - begun:.2f} s, kernel {kernel.name}, process {started.process.pid}"
            events.tell(machine.record, "goes on" if image else "started", how, level=_level(machine))

    def _check_owner(self, machine: Machine) -> None:
        if self._registry.is_orphan(machine):
            of = machine.record
            whose = f"#{of.owner.uid}/{of.name}"
            why = f"the account of {of.owner.name} has gone"
            raise Failed(f"{whose} can't be started", why, f"sudo gaol give '{whose}' USER")

    def _authorized(self, of: Record) -> str:
        """Who may log in by ssh: where no sshd is started, nobody, which saves the making of a key."""
        return "" if of.ephemeral else keys.public(self._registry.directory(of))

    def weigh_all(self) -> None:
        """What is granted has changed: those that run have it, too, and where their owners come to want is elsewhere."""
        self.allotment.weigh_all()
        for owner in {
            machine.record.owner.share: machine.record.owner for machine in self._registry.all() if machine.live
        }.values():
            self._pressure.attend(owner)

    def take_over(self, machine: Machine, found: Live) -> None:
        """Go on with a machine that an earlier daemon started. Raises GaolerError, OSError."""
        machine.happen(observed.was_found, found, frozen=cgroup.is_frozen(self._jailer.cgroup(machine.record)))
        self.allotment.weigh(machine.record)
        self._pressure.attend(machine.record.owner)
        notify = bind_notify(self._jailer.runtime(machine.record))
        self.note(machine, lambda known: known)
        self._watches.attend(machine, notify)

    def give(self, machine: Machine) -> None:
        """A machine that is thrown away has got its command: it is its owner's from now on, and its time begins."""

        def given(known: Live) -> Live:
            return known if known.given else replace(known, given=True, waited=known.process.age(), started=time.time())

        before, now = self.note(machine, given)
        if now.live and before.live and not before.live.given:
            self._watches.clocks.set(machine, now.live)

    def freeze(self, machine: Machine) -> None:
        """Have all of a machine's programs stand still, and its kernel with them, until `thaw`. Raises Failed."""
        with machine.locked():
            self._registry.check_there(machine)
            if machine.live is None:
                name = machine.record.name
                raise Failed(f"{name} is not running", f"it is {machine.state}", f"gaol up {name}")
            cgroup.freeze(self._jailer.cgroup(machine.record))
            machine.happen(observed.froze)

    def thaw(self, machine: Machine) -> None:
        """Let them go on; nothing where they do. Raises Failed."""
        if machine.observed.frozen:
            with machine.locked():
                if machine.observed.frozen:
                    cgroup.thaw(self._jailer.cgroup(machine.record))
                    machine.happen(observed.thawed)

    def note(self, machine: Machine, change: Callable[[Live], Live]) -> tuple[Observed, Observed]:
        """Take note of what a running machine has become. `change` makes it of what is known by then: nothing told is lost.

        Returns what was observed before, and what is now.
        """

        def noted(seen: Observed) -> Observed:
            now = observed.told(seen, change)
            if seen.live is not None and now.live is not None:
                if seen.begun is not None:
                    self._tally.reached(seen.live, now.live, time.monotonic() - seen.begun)
                try:
                    files.write(self._jailer.runtime(machine.record).live, live.encode(now.live), durable=False)
                except GaolerError as error:
                    _log.warning("%s", error)
            return now

        return machine.happen(noted)  # one after the other, so that the file is never older than what is known

    def retime(self, machine: Machine) -> None:
        """Its time to live is another one."""
        if machine.live:
            self._watches.clocks.retime(machine, machine.live)

    # stopping

    def stop(self, machine: Machine, *, force: bool = False, reason: Reason = "asked") -> None:
        """Stop the machine, its programs first unless `force`; nothing where it does not run. Raises Failed."""
        with machine.locked():  # not in the middle of a start
            self.thaw(machine)  # first: what stands still does not even die
            self._registry.want_stopped(machine)
            seen = machine.live
            if seen is None:
                if machine.observed.asleep:
                    self._dream_no_more(machine)
                return
            machine.stopper = asking.asker()
            machine.happen(observed.stops, reason)
        reach("stop.wanted")
        try:
            ended = False
            if not force:
                try:
                    mconsole.ctrl_alt_del(seen.process)
                    ended = seen.process.wait(self._configuration.machines.grace)
                except GaolerError as error:
                    _log.info("%s: no graceful stop: %s", machine.record.label, error)
            if not ended:
                seen.process.kill()
                if not seen.process.wait(10):
                    raise Failed(f"machine {machine.record.name} does not end", f"process {seen.process.pid}", "gaol doctor")
            reach("stop.ended")
            with machine.locked():  # whoever saw the end first may clear up without end
                self._ended(machine, seen)
        finally:
            machine.happen(observed.was_stopped)

    def _expired(self, machine: Machine, why: Reason) -> None:
        if why != "idle" or not self.when_idle(machine):
            self.stop(machine, reason=why)

    def _end_under_pressure(self, machine: Machine, seen: Live, why: str) -> None:
        self._watches.end(machine, seen, why)
        cgroup.thaw(self._jailer.cgroup(machine.record))  # what stands still does not even die

    def put_away(self, machine: Machine, seen: Live) -> None:
        """End the process of a machine that stands still, whose memory is kept. The caller holds its lock. Raises Failed."""
        machine.stopper = asking.asker()
        machine.happen(observed.stops, "asleep")
        try:
            seen.process.kill()
            if not seen.process.wait(10):
                raise Failed(f"machine {machine.record.name} does not end", f"process {seen.process.pid}", "gaol doctor")
            reach("sleep.ended")
            self._ended(machine, seen)
            self.rests(machine, (seen.address, seen.address6))
        finally:
            machine.happen(observed.was_stopped)

    def rests(self, machine: Machine, addresses: Iterable[str | None]) -> None:
        """It sleeps: its name still leads to its address, and whoever wants to reach its addresses wakes it."""
        machine.happen(observed.slept)
        self._jailer.network.name(machine.record)
        self.knocking.attend(machine, addresses)

    def _dream_no_more(self, machine: Machine) -> None:
        """What a machine had in memory while it slept goes; its files stay."""
        self.knocking.leave(machine)
        asleep.forget(self._jailer.paths, machine.record.id)
        self._jailer.network.unplug(machine.record)
        machine.happen(observed.stayed_down)

    def _bury(self, machine: Machine, seen: Live) -> None:
        self._ended(machine, seen)
        if machine.record.ephemeral:
            self.remove(machine, force=True)

    def _ended(self, machine: Machine, seen: Live) -> None:
        """The machine's process is gone: clear up after it. Called by whoever sees it first, and once more by the others."""
        with machine.lock:
            now = machine.live
            if now is None or now.process != seen.process:
                return
            killed_by = 0 if now.stopping or machine.record.wanted != "running" else self._watches.killed_by(machine)
            why, for_memory = self._watches.leave(machine)
            now = machine.live or now  # with what it had still to tell
            graceful = now.stopping or machine.record.wanted != "running"
            died = None if graceful else why or last_words(self._registry.log_path(machine.record), killed_by)
            if why and (graceful or machine.record.ephemeral):  # whose reason nobody may come to see
                _log.warning("%s: as it was stopped: %s", machine.record.label, why)
            try:
                self._jailer.release(machine.record)
            except GaolerError as error:
                _log.error("%s", error)
            self._pressure.leave(machine.record.owner.share)
            if not graceful:
                self._registry.want_stopped(machine)
            reason = _reason(machine, now, why, for_memory=for_memory)
            who = machine.stopper if machine.observed.busy == "stopping" else None
            self._tally.ends.labels(reason).inc()
            did, how = _WORDS[reason]
            ran = f"after {show_duration(now.age)}"
            level = logging.WARNING if did == "crashed" else _level(machine)
            machine.happen(observed.ended, died)
            with asking.asked_by(who):
                events.tell(machine.record, did, ", ".join(filter(None, (ran, how, died))), level=level)

    def remove(self, machine: Machine, *, force: bool = False, aside: Callable[[Record], None] | None = None) -> None:
        """Stop the machine and throw its files away; what `aside` takes of them first is left. Idempotent. Raises Failed."""
        self.stop(machine, force=force)
        with machine.locked():
            if machine.observed.gone:
                return
            self._registry.check_idle(machine)
            try:
                self._registry.want(machine, "removed")
            except Failed as error:  # the store is full, which this mends; or takes no writes at all, as we shall see
                _log.warning("%s: removed without a note of it: %s", machine.record.label, error)
            reach("remove.wanted")
            if self._jailer.left_over(machine.record):
                self._jailer.release(machine.record)
            reach("remove.released")
            if aside:
                aside(machine.record)
            self._jailer.delete_gaol(machine.record)
            reach("remove.deleted")
            self._registry.forget(machine)
            machine.happen(observed.went)
            if not machine.record.ephemeral:  # whose end says it all
                events.tell(machine.record, "removed", "with its files and snapshots")


_WORDS: dict[Reason, tuple[str, str]] = {
    "asked": ("stopped", ""),
    "itself": ("stopped", "from inside"),
    "ttl": ("stopped", "its time was over"),
    "idle": ("stopped", "nothing was done in it for long"),
    "drained": ("stopped", "the host is drained"),
    "host": ("stopped", "with the host"),
    "asleep": ("sleeps", ""),
    "memory": ("crashed", ""),
    "crashed": ("crashed", ""),
}
"""How a machine's end is told, and why it came."""


def _level(machine: Machine) -> int:
    """What waits for somebody's next command is nobody's yet."""
    return logging.DEBUG if machine.is_spare else logging.INFO


def _reason(machine: Machine, seen: Live, why: str | None, *, for_memory: bool) -> Reason:
    """What is counted for a machine's end; `why` is what its watch knows of a bad one."""
    if for_memory:
        return "memory"
    if machine.record.ephemeral:  # the command's end is the machine's, whoever of the two is seen first
        return "crashed" if why else "itself"
    if machine.observed.busy == "stopping":
        return machine.observed.ending
    return "itself" if seen.stopping else "crashed"
