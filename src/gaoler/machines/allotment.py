"""What a machine that starts may take of the host: whether it fits, and what its owner is granted today."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable

from gaoler.configuration.grants import limit_of
from gaoler.errors import GaolerError
from gaoler.machines import admission, ceilings
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.request import above

_log = logging.getLogger(__name__)


class Allotment:
    """That of one daemon's machines."""

    def __init__(self, registry: Registry, jailer: Jailer, quotas: Quotas) -> None:
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._configuration = registry.configuration
        self.may_start: Callable[[], None] = lambda: None
        """Raises LimitReached while nothing is to start on this host."""

    def admit(self, wanted: admission.Wanted, itself: Machine | None = None) -> None:
        """Raise LimitReached where it does not fit beside the machines that run; those made ahead make way for it."""
        self.may_start()
        there = (one for one in self._registry.all() if one is not itself and not one.is_spare)
        others = [one.record for one in there if one.observed.phase in ("starting", "up", "stopping")]
        admission.check(self._configuration, others, wanted)

    def hold(self, machine: Machine) -> None:
        """Limits that an administrator has lowered since the machine was made hold from this start on."""
        now = self._quotas.held(machine.record)
        if now == machine.record:
            return
        if now.disk != machine.record.disk:
            self._quotas.limit(now, self._jailer.gaol(now))
        _log.info("%s: held to what is granted today: %s", now.id, above(self._configuration.limits, machine.record) or "pids")
        self._registry.change(machine, **now.shape())

    def weigh(self, of: Record) -> None:
        """Give the machine's owner, with all machines of theirs that run, weight and ceiling that the administrator grants."""
        everybody, owners = ceilings.of_all(self._configuration), ceilings.of_owner(self._configuration, of.owner)
        self._jailer.owners.limit_all(everybody.memory, everybody.pids)
        self._jailer.owners.limit(of.owner.share, owners.memory, owners.pids)
        self._jailer.owners.weigh(of.owner.share, int(limit_of(self._configuration.limits, of.owner, "weight").value))

    def weigh_all(self) -> None:
        """What is granted has changed: those that run have it, too. Never fails: one that ends meanwhile needs none."""
        for machine in self._registry.all():
            try:
                if machine.live:
                    self.weigh(machine.record)
            except (GaolerError, OSError) as error:
                _log.info("%s: %s", machine.record.label, error)

    def pinned(self) -> dict[int, int]:
        """Running machines by the processor that they are pinned to."""
        found: Counter[int] = Counter()
        for machine in self._registry.all():
            if (running := machine.live) and not machine.is_spare:  # which does nothing
                try:
                    pinned = os.sched_getaffinity(running.process.pid)
                except ProcessLookupError:
                    continue
                if len(pinned) == 1:
                    found.update(pinned)
        return found
