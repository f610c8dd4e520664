"""What is done to machines as time goes by: warned of their end, ended, told how full their disks are, found idle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gaoler import background
from gaoler.configuration.grants import limit_of
from gaoler.host import cgroup
from gaoler.host.clock import since_boot
from gaoler.machines import disks, idling, warning
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import Registry
from gaoler.machines.tally import Reason

_EARLY = 0.5
"""Seconds that a clock may go off too early."""
_log = logging.getLogger(__name__)


class Clocks:
    """Those of one daemon's machines. `on_expiry` is called when a machine is to be stopped and why, from a thread of its own."""

    def __init__(
        self, registry: Registry, jailer: Jailer, monitor: Monitor, on_expiry: Callable[[Machine, Reason], None]
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._monitor = monitor
        self._on_expiry = on_expiry

    def set(self, machine: Machine, seen: Live) -> None:
        """Set the clocks of what is to be done while its owner has it."""
        of = machine.record
        self.retime(machine, seen)
        if of.disk:
            self._monitor.after(disks.PERIOD, lambda: self._follow_disk(machine, seen))
        idle = limit_of(self._registry.configuration.limits, of.owner, "idle").value
        if idle:
            self._look_for_idleness(machine, seen, self._mark(machine), idle)

    def retime(self, machine: Machine, seen: Live) -> None:
        """Its time to live is another one: a clock for it, beside one that was set for the former."""
        ttl = machine.record.ttl
        if ttl:
            self._monitor.after(ttl - seen.age, lambda: self._expire(machine, seen))
            if seen.age < ttl - warning.lead(ttl):
                self._monitor.after(ttl - warning.lead(ttl) - seen.age, lambda: self._warn(machine, seen))

    def _warn(self, machine: Machine, seen: Live) -> None:
        ttl = machine.record.ttl  # as it is by now
        left = ttl - seen.age if ttl else 0
        if machine.runs_as(seen) and ttl and left < warning.lead(ttl) + _EARLY:
            background.later(lambda: warning.warn(self._jailer, machine, left))

    def _expire(self, machine: Machine, seen: Live) -> None:
        ttl = machine.record.ttl  # as it is by now
        if machine.runs_as(seen) and ttl and seen.age > ttl - _EARLY:
            _log.info("%s: its time to live is over", machine.record.label)
            background.later(lambda: self._on_expiry(machine, "ttl"))

    def _follow_disk(self, machine: Machine, seen: Live, told: str = "") -> None:
        """Tell its kernel again and again what the store has counted."""
        if not machine.runs_as(seen):
            return
        if machine.lock.acquire(blocking=False):  # else it is being stopped, and its configuration may be going
            try:
                place, gaol = self._jailer.runtime(machine.record).disk, self._jailer.gaol(machine.record)
                told = disks.tell(place, machine.record, gaol, told)
            except OSError as error:
                _log.info("%s: how full its disk is can't be told: %s", machine.record.label, error)
            finally:
                machine.lock.release()
        self._monitor.after(disks.PERIOD, lambda: self._follow_disk(machine, seen, told))

    def _mark(self, machine: Machine) -> idling.Mark:
        return idling.Mark(since_boot(), cgroup.used(self._jailer.cgroup(machine.record)).cpu_seconds)

    def _look_for_idleness(self, machine: Machine, seen: Live, mark: idling.Mark, period: float) -> None:
        def look() -> None:
            if not machine.runs_as(seen):
                return
            now = self._mark(machine)
            kept = now if machine.observed.frozen else idling.judge(mark, now, period)
            if kept is None:
                _log.info("%s: idle for %g s", machine.record.label, period)
                background.later(lambda: self._on_expiry(machine, "idle"))
            else:
                self._look_for_idleness(machine, seen, kept, period)

        self._monitor.after(period / idling.LOOKS, look)


def expires(seen: Live | None, ttl: int | None) -> float | None:
    """When a machine's time to live is over, in seconds since the epoch as the clock stands now."""
    return time.time() + ttl - seen.age if seen and ttl else None
