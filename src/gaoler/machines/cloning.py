"""Clones of running machines: a second machine that goes on from the same instant, and is somebody else from then on.

While the original stands still its files are cloned and its memory is copied (host/image.py). The copy goes on in a jail of
its own, with a place, addresses, MAC and keys of its own; its kernel's random numbers begin anew before anything else runs.
Its guard lets nothing out under the original's address. Then it is told who it is (guest/bin/services become), before
its owner has it. What the original was connected to stays the original's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gaoler.background import meanwhile
from gaoler.errors import Failed
from gaoler.host import btrfs, image
from gaoler.machines import copies
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.quotas import Quotas
from gaoler.machines.registry import Registry
from gaoler.machines.request import Request
from gaoler.machines.resuming import Resumed
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions


@dataclass(frozen=True)
class Taken:
    """A machine's memory and state, as files of ours."""

    memory: int
    state: int


class Cloning:
    """Of the machines of a registry."""

    def __init__(
        self, registry: Registry, jailer: Jailer, quotas: Quotas, making: Making, running: Running, sessions: Sessions
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._making = making
        self._running = running
        self._sessions = sessions

    def clone(self, machine: Machine, name: str) -> Machine:
        """Make a second machine of a running one. Raises Usage, Failed, LimitReached, NameTaken."""
        with ExitStack() as ours:
            with machine.lock:
                self._registry.check_there(machine)
                of, hint = machine.record, f"gaol clone {machine.record.name} {name}"
                live = copies.imaged(machine, hint)
                if self._quotas.held(of).memory != of.memory:
                    raise Failed(f"{of.name} can't be cloned as it runs", "it has more memory than is granted today", hint)
                taken = ours.enter_context(_files(self._jailer.paths.staging))

                def fill(gaol: Path) -> None:
                    files = self._jailer.gaol(of)
                    with image.of(live.process) as found, meanwhile(lambda: btrfs.snapshot(files, gaol)) as cloned:
                        copies.store(found, taken.memory, taken.state, of.memory)
                        cloned.result()
                    reach("clone.taken")

                request = Request(base=of.base, kernel=of.kernel, **of.shape())
                new = self._making.create(of.owner, name, request, populate=fill)
            try:
                self._go_on(new, taken, live)
            except BaseException:
                self._running.remove(new, force=True)
                raise
        return new

    def _go_on(self, new: Machine, taken: Taken, original: Live) -> None:
        with new.lock:
            if new.live:  # its owner was faster
                raise Failed(f"{new.record.name} is running", "it was started meanwhile", f"gaol info {new.record.name}")
            told = {"agent": True, "given": False}
            self._running.start(new, Resumed(taken.memory, taken.state, original.kernel, told))
        reach("clone.started")
        self._sessions.become(new)
        reach("clone.named")
        self._running.give(new)  # a daemon that is killed before leaves a machine that is stopped


@contextmanager
def _files(staging: Path) -> Iterator[Taken]:
    """Two files without names in the store: a machine's memory may be larger than what the host has free."""
    with ExitStack() as undo:
        found = []
        for _ in range(2):
            found.append(os.open(staging, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
            undo.callback(os.close, found[-1])
        yield Taken(*found)
