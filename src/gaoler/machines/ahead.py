"""After a `run` or an `up`: the same owner's next throw-away machine, started while nobody waits.

It is like any other of the owner's from its first instruction, so no wall is another one; only the wait has gone. It lives
for some minutes, and makes way at once where memory runs short or something that it was made for has changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler import background
from gaoler.bases.generations import Bases
from gaoler.configuration.account import Account
from gaoler.configuration.model import Machines
from gaoler.errors import GaolerError
from gaoler.host import memory
from gaoler.kernels import installed
from gaoler.machines import readiness, reclaiming
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import Registry
from gaoler.machines.request import Wishes
from gaoler.machines.running import Running
from gaoler.machines.spares import Key, Spare, Spares

_LOOK = 5.0
"""Seconds between looks at those that wait."""
_log = logging.getLogger(__name__)


class Ahead:
    """Every method may be called from any thread; none raises for lack of a machine ahead."""

    def __init__(
        self, registry: Registry, jailer: Jailer, bases: Bases, making: Making, running: Running, spares: Spares, monitor: Monitor
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._bases = bases
        self._making = making
        self._running = running
        self._spares = spares
        self._monitor = monitor
        self._lock = threading.Lock()
        self._under_way: Counter[int] = Counter()
        self._looking = False

    @property
    def _settings(self) -> Machines:
        return self._registry.configuration.machines

    @contextmanager
    def run_of(self, owner: Account, wishes: Wishes) -> Iterator[None]:
        """While an owner's `run` goes on. The next one's machine is made after the last of those that go on at once."""
        with self._lock:
            self._under_way[owner.uid] += 1
        good = False
        try:
            yield
            good = True
        finally:
            with self._lock:
                self._under_way[owner.uid] -= 1
                last = not self._under_way[owner.uid]
                if last:
                    del self._under_way[owner.uid]
            if last and good:
                self.begin(owner, wishes)

    def take(self, owner: Account, wishes: Wishes) -> Machine | None:
        """The machine that waits for exactly this, if there is one. Raises GaolerError for wishes that can't be had."""
        if not len(self._spares):
            return None
        machine = self._spares.take(self._key(owner, wishes))
        if machine is not None:
            reach("ahead.taken")
        return machine

    def begin(self, owner: Account, wishes: Wishes, *, instead: bool = True) -> None:
        """Make the owner's next machine, in the background; where another one waits, `instead` of it or not at all."""
        if self._settings.ahead and (instead or not self._spares.has(owner.uid)):
            background.begin(lambda: self._begin(owner, wishes), "ahead")

    def _begin(self, owner: Account, wishes: Wishes) -> None:
        try:
            key = self._key(owner, wishes)
            if _short(key.request.memory) or not self._registry.has_room(owner):
                return
            spare = self._spares.keep(key, self._settings.ahead)
            if spare is not None:
                self._make(spare)
        except (GaolerError, OSError, RuntimeError, MemoryError) as error:  # a thread or memory that the host lacks
            _log.info("no machine ahead for %s: %s", owner.name, error)

    def _make(self, spare: Spare) -> None:
        key, machine = spare.key, None
        try:
            machine = self._making.create(key.owner, None, key.request, spare=True)
            reach("ahead.created")
            self._running.start(machine)
            readiness.wait_agent(machine, self._settings.deadline)
            reach("ahead.started")
        except BaseException as error:
            self._spares.forget(spare)
            spare.made.set_exception(error)
            if machine is not None:
                self._running.remove(machine, force=True)
            raise
        spare.made.set_result(machine)
        self._watch()

    def _key(self, owner: Account, wishes: Wishes) -> Key:
        request = self._making.completed(owner, wishes)
        kernel = installed.find(self._jailer.paths.kernels, request.kernel or self._settings.kernel)
        return Key(owner, request, self._bases.find(request.base).generation, kernel.name)

    def _watch(self) -> None:
        with self._lock:
            if self._looking:
                return
            self._looking = True
        self._monitor.after(_LOOK, self._look_later)

    def _look_later(self) -> None:
        background.begin(self._look, "ahead")  # what it ends takes time

    def _look(self) -> None:
        now, short = time.monotonic(), _short(0)
        self._spares.drop(lambda spare: short or spare.until <= now or (spare.made.done() and self._is_stale(spare)))
        with self._lock:
            self._looking = bool(len(self._spares))
            if not self._looking:
                return
        self._monitor.after(_LOOK, self._look_later)

    def _is_stale(self, spare: Spare) -> bool:
        """Whether it has died, or its base or kernel is another one by now."""
        try:
            request = spare.key.request
            kernel = installed.find(self._jailer.paths.kernels, request.kernel or self._settings.kernel).name
            there = (self._bases.find(request.base).generation, kernel)
            return spare.made.result().live is None or there != (spare.key.generation, spare.key.kernel)
        except (GaolerError, OSError):
            return True


def _short(more: int) -> bool:
    """Whether the host is short of memory, or would be with so many bytes less."""
    host = memory.look()
    return reclaiming.missing(host.total, host.available - more, host.stalled) > 0
