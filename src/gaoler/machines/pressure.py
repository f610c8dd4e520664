"""Where an owner's machines together want more memory than they may have: one of them ends, and is told why.

Left to itself, the kernel ends a process of its own choice, and perhaps of a second machine before the first one's memory, which
is a tmpfs, has come back. So the choice is made here, before the kernel has to: a machine that nobody has yet, else the
one that has most. The ceiling of all machines together stays the kernel's to hold: it is there for the host, also while no
daemon runs.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from gaoler import background
from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.host import cgroup
from gaoler.machines import ceilings
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import Registry
from gaoler.units import show_size

_AGAIN, _LAST = 0.05, 3.0
"""Seconds until it is looked whether that was enough, twice as many each time: a process has gone before its memory is back."""
_CROWDED = 0.2
"""Seconds until it is looked again where the ceiling is reached, and files that could be read again are part of it."""
_ENDS = 10.0
"""Seconds that a killed process may take to end."""
_log = logging.getLogger(__name__)


class Pressure:
    """That of all owners of one daemon. `end` is told which machine has to end, and why."""

    def __init__(self, registry: Registry, jailer: Jailer, monitor: Monitor, end: Callable[[Machine, Live, str], None]) -> None:
        self._registry = registry
        self._jailer = jailer
        self._monitor = monitor
        self._end = end
        self._events: dict[str, int] = {}
        """Descriptors, by the owner's share."""
        self._ending: set[str] = set()
        """Owners of whom one machine comes to its end for it already."""
        self._crowded: set[str] = set()
        """Owners who are looked at again and again."""
        self._lock = threading.Lock()

    def attend(self, owner: Account) -> None:
        """Watch an owner's group, of which a machine has just begun to run: it may be another one than before."""
        group = self._jailer.owners.of(owner.share)
        with self._lock:
            self._forget(owner.share)
            event = cgroup.want_event(group, self._ceiling(owner))
            if event is None:
                return
            self._events[owner.share] = event
            self._monitor.watch(event, lambda: self._hear(owner, event), cgroup.want_events())
        self._look(owner)  # it may have come to that while no daemon was there

    def leave(self, share: str) -> None:
        """One of an owner's machines has gone; with the last one, so has their group."""
        with self._lock:
            if not cgroup.exists(self._jailer.owners.of(share)):
                self._forget(share)

    def _forget(self, share: str) -> None:
        event = self._events.pop(share, None)
        if event is not None:
            self._monitor.forget(event)
            os.close(event)

    def _hear(self, owner: Account, event: int) -> None:
        with self._lock:
            if self._events.get(owner.share) != event:
                return  # closed meanwhile
            cgroup.heed(event)
        self._look(owner)

    def _look(self, owner: Account) -> None:
        with self._lock:
            used, held = cgroup.usage(self._jailer.owners.of(owner.share))
            ceiling = self._ceiling(owner)
            if held > ceiling and owner.share not in self._ending:
                self._ending.add(owner.share)
                background.later(lambda: self._choose(owner))
            elif used > ceiling and owner.share not in self._crowded:  # no further event comes while it stays so
                self._crowded.add(owner.share)
                self._monitor.after(_CROWDED, lambda: self._look_later(owner))

    def _look_later(self, owner: Account) -> None:
        with self._lock:
            self._crowded.discard(owner.share)
        self._look(owner)

    def _is_beyond(self, owner: Account) -> bool:
        return cgroup.usage(self._jailer.owners.of(owner.share))[1] > self._ceiling(owner)

    def _ceiling(self, owner: Account) -> int:
        return ceilings.of_owner(self._registry.configuration, owner).memory

    def _choose(self, owner: Account) -> None:
        try:
            theirs = [(machine, machine.live) for machine in self._registry.all() if machine.record.owner.share == owner.share]
            running = [(self._weight(machine, seen), machine, seen) for machine, seen in theirs if seen is not None]
            if running and self._is_beyond(owner):
                (_, taken, _), machine, seen = max(running, key=lambda one: one[0])
                setting = limit_of(self._registry.configuration.limits, owner, "owner_memory").setting
                why = (
                    f"the machines of {owner.name} together wanted more memory than they may have, "
                    f"{show_size(self._ceiling(owner))} ({setting}), and of them it had most, {show_size(taken)}"
                )
                _log.warning("%s: %s", machine.record.id, why)
                self._end(machine, seen, why)
                seen.process.wait(_ENDS)
        finally:
            self._monitor.after(_AGAIN, lambda: self._look_again(owner, _AGAIN))

    def _weight(self, machine: Machine, seen: Live) -> tuple[bool, int, float]:
        """The heaviest ends."""
        return machine.is_spare, cgroup.used(self._jailer.cgroup(machine.record)).memory, seen.started

    def _look_again(self, owner: Account, waited: float) -> None:
        """Once the memory of the one that was ended has come back, or should have."""
        if self._is_beyond(owner) and waited < _LAST:
            self._monitor.after(2 * waited, lambda: self._look_again(owner, 2 * waited))
            return
        with self._lock:
            self._ending.discard(owner.share)
        self._look(owner)
