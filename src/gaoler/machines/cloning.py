"""Clones of running machines: a second machine that goes on from the same instant, and is somebody else from then on.

While the original stands still its files are cloned and its memory is copied (host/image.py). The copy goes on in a jail of
its own, with a place, addresses, MAC and keys of its own; its kernel's random numbers begin anew before anything else runs.
Its guard lets nothing out under the original's address. Then it is told who it is (guest/bin/services become), before
its owner has it. What the original was connected to stays the original's.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from gaoler import background
from gaoler.background import meanwhile
from gaoler.errors import Failed
from gaoler.host import btrfs, cgroup, image
from gaoler.host.btrfs import instant
from gaoler.machines import copies
from gaoler.machines.becoming import TOLD, as_another
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

_IN_MEMORY = 128 << 20
"""Bytes of a machine's memory that is copied into the host's for a moment; an idle machine has 27 MB."""


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
            with machine.locked():
                self._registry.check_there(machine)
                of, hint = machine.record, f"gaol clone {machine.record.name} {name}"
                live = copies.imaged(machine, hint)
                if self._quotas.held(of).memory != of.memory:
                    raise Failed(f"{of.name} can't be cloned as it runs", "it has more memory than is granted today", hint)
                taken: list[int] = []

                def fill(gaol: Path) -> None:
                    files, tree = self._jailer.gaol(of), self._jailer.paths.staging / f"new-{gaol.name}"
                    with meanwhile(cgroup.hurry), ExitStack() as unfinished:  # what the new jail would wait for
                        unfinished.callback(btrfs.delete, tree)
                        with image.of(live.process) as found:
                            snapshot = unfinished.enter_context(meanwhile(lambda: btrfs.snapshot(files, tree)))
                            taken.clear()  # of an attempt that met a limit
                            for source in (found.memory, found.state):
                                taken.append(_file(self._jailer.paths.staging, source))
                                ours.callback(_close_later, taken[-1])
                            copies.store(found, taken[0], taken[1], of.memory)
                            instant.wait(tree, snapshot)
                        snapshot.result()  # the original goes on while the disk takes it
                        tree.rename(gaol)
                    reach("clone.taken")

                new = self._making.create(of.owner, name, Request.of(of), populate=fill)
            try:
                self._go_on(new, taken[0], taken[1], live)
            except BaseException:
                self._running.remove(new, force=True)
                raise
        return new

    def _go_on(self, new: Machine, memory: int, state: int, original: Live) -> None:
        with new.lock:
            if new.live:  # its owner was faster
                raise Failed(f"{new.record.name} is running", "it was started meanwhile", f"gaol info {new.record.name}")
            as_another(self._running, self._sessions, new, Resumed(memory, state, original.kernel, TOLD))


def _close_later(descriptor: int) -> None:
    """Giving so much memory back takes milliseconds."""
    background.begin(lambda: os.close(descriptor), "close")


def _file(staging: Path, source: int) -> int:
    """A file without a name for a copy of `source`: in memory, where that takes half as long, or in the store if it is large."""
    if os.fstat(source).st_blocks * 512 <= _IN_MEMORY:
        return os.memfd_create("image", os.MFD_CLOEXEC)
    return os.open(staging, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
