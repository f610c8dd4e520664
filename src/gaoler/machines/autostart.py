"""Machines that come up with the host: those whose owners have said so, some at a time, so that the host bears it."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from itertools import chain, zip_longest

from gaoler import background
from gaoler.configuration.grants import limit_of
from gaoler.errors import GaolerError
from gaoler.machines import observed, readiness
from gaoler.machines.boot import Boot
from gaoler.machines.machine import Machine
from gaoler.machines.registry import Registry
from gaoler.machines.running import Running

_LONGER = 60.0
"""Seconds beyond the time that it may take to get ready after which one keeps no other one waiting: its start hangs."""
_log = logging.getLogger(__name__)


class Autostart:
    """Of one daemon."""

    def __init__(self, registry: Registry, running: Running, boot: Boot) -> None:
        self._registry = registry
        self._running = running
        self._boot = boot

    def begin(self) -> None:
        """Start what is to be started after the host's start, in the background; the boot is noted when that is done."""
        if self._boot.is_first:
            background.begin(self._work, "autostart")

    def again(self) -> None:
        """The same without a start of the host's, in the background."""
        background.begin(self.start, "autostart")

    def _work(self) -> None:
        self.start()
        try:
            self._boot.note()
        except OSError as error:
            _log.error("the next daemon will take this boot for another one: %s", error)

    def start(self) -> None:
        """Start them, as many at once as there are processors, and each until it is ready: none takes another one's time."""
        wanted = in_turns([one for one in self._granted() if one.state in ("stopped", "failed")])
        if not wanted:
            return
        _log.info("%d machines start with the host", len(wanted))
        patience = self._registry.configuration.machines.deadline + _LONGER
        good = background.each(self._started, wanted, "autostart", at_once=os.cpu_count() or 1, patience=patience)
        _log.info("%d of %d machines that start with the host are up", good, len(wanted))

    def _granted(self) -> list[Machine]:
        """No more of an owner's than are granted by now."""
        left: dict[int, float] = {}
        found = []
        for machine in self._registry.all():
            owner = machine.record.owner
            if machine.record.autostart and not self._registry.is_orphan(machine):
                granted = limit_of(self._registry.configuration.limits, owner, "autostart").value
                left[owner.uid] = left.get(owner.uid, granted if owner.uid else float("inf")) - 1
                if left[owner.uid] >= 0:
                    found.append(machine)
                else:
                    _log.warning("%s does not start with the host: its owner is granted %g", machine.record.label, granted)
        return found

    def _started(self, machine: Machine) -> bool:
        try:
            self._running.start(machine)
            readiness.wait_ready(machine, self._registry.configuration.machines.deadline)
        except (GaolerError, OSError) as error:
            _log.warning("%s does not start with the host: %s", machine.record.label, error)
            machine.happen(observed.was_lost, f"it was to start with the host: {error}")
            return False
        return True


def in_turns(machines: list[Machine]) -> list[Machine]:
    """Each owner's first one, then each owner's second one: nobody waits for all of another's."""
    owners: dict[int, list[Machine]] = defaultdict(list)
    for machine in machines:
        owners[machine.record.owner.uid].append(machine)
    return [machine for machine in chain.from_iterable(zip_longest(*owners.values())) if machine is not None]
