"""Tells machines, while they run, what the host mounts and unmounts in the homes that they show."""

from __future__ import annotations

import logging
import select
import threading

from gaoler.machines import covered
from gaoler.machines.machine import Machine
from gaoler.machines.registry import Registry

_AGAIN = 1.0
"""Seconds until a machine that was being started or stopped is looked at again."""
_log = logging.getLogger(__name__)


class MountWatch:
    """Tells all machines that run, from a thread of its own: the kernel says when mounts change (poll(2), POLLPRI)."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def start(self) -> None:
        threading.Thread(target=self._run, name="mounts", daemon=True).start()

    def _run(self) -> None:
        with covered.MOUNTS.open("rb", buffering=0) as file:
            changes = select.poll()
            changes.register(file.fileno(), select.POLLPRI)
            while True:
                file.seek(0)
                mountinfo = file.readall()
                missed = [machine for machine in self._registry.all() if not self._tell(machine, mountinfo)]
                changes.poll(_AGAIN * 1000 if missed else None)

    def _tell(self, machine: Machine, mountinfo: bytes) -> bool:
        """False where it has to be done again."""
        record = machine.record
        if not record.home:
            return True
        if not machine.lock.acquire(blocking=False):  # its configuration may be coming or going
            return False
        try:
            if machine.live is not None:
                covered.tell(self._registry.jailer.runtime(record).covered, record, mountinfo)
        except OSError as error:
            _log.info("%s: what is mounted in the home can't be told: %s", record.label, error)
        finally:
            machine.lock.release()
        return True
