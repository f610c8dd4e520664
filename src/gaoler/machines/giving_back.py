"""Machines give memory back to the host: those that do nothing, and when the host is short all who hold most.

Asked by their kernels' management console (`reclaim BYTES`), which frees what was used longest ago; what is free inside the
kernel gives back to the host by itself. Whether it did is seen in what its control group holds: an answer isn't awaited, and a
machine that does not listen loses nothing but its turn.
"""

from __future__ import annotations

import logging

from gaoler.errors import GaolerError
from gaoler.host import cgroup, mconsole, memory
from gaoler.host.clock import since_boot
from gaoler.machines import reclaiming
from gaoler.machines.idling import BUSY
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import Registry

_PERIOD = 5.0
"""Seconds between looks at the host: it is rarely short, and a look takes a fraction of a millisecond a machine."""
_log = logging.getLogger(__name__)


class GivingBack:
    """Looks and asks, again and again, from the monitor's thread."""

    def __init__(self, registry: Registry, monitor: Monitor) -> None:
        self._registry = registry
        self._monitor = monitor
        self._idle: dict[str, reclaiming.Idleness] = {}

    def start(self) -> None:
        self._monitor.after(_PERIOD, self._turn)

    def _turn(self) -> None:
        try:
            self.look()
        finally:
            self._monitor.after(_PERIOD, self._turn)

    def look(self) -> None:
        """Once: ask whoever is to give something."""
        now, host = since_boot(), memory.look()
        running = {one.record.id: one for one in self._registry.all() if one.live and one.live.agent}
        used = {name: cgroup.used(self._registry.jailer.cgroup(one.record)) for name, one in running.items()}
        holdings = [reclaiming.Holding(name, running[name].record.owner.uid, used[name].memory) for name in running]
        asked = reclaiming.demands(holdings, reclaiming.missing(host.total, host.available, host.stalled))
        idle: dict[str, reclaiming.Idleness] = {}
        for name, one in used.items():
            idle[name], wanted = reclaiming.look(self._idle.get(name), now, one.cpu_seconds, one.memory, BUSY)
            if wanted:
                asked[name] = max(wanted, asked.get(name, 0))
        self._idle = idle
        for name, size in asked.items():
            _ask(running[name], size)


def _ask(machine: Machine, size: int) -> None:
    observed = machine.live
    if observed is None:
        return
    try:
        mconsole.send(observed.process, f"reclaim {size}")
    except GaolerError as error:
        _log.debug("%s gives no memory back: %s", machine.record.label, error)
