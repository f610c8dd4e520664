"""A machine in the daemon's memory: what is wanted, what is observed, and who waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec

from gaoler.errors import Failed
from gaoler.machines.asking import Asker
from gaoler.machines.live import Live
from gaoler.machines.observed import Observed, State
from gaoler.machines.record import Record

P = ParamSpec("P")
_BUSY = 30.0
"""Seconds that one waits for a start, a snapshot or the like of the machine before something else is done to it."""


class Busy(Failed):
    """Something is done to the machine that takes long, or never ends."""


class Machine:
    """`lock` is held by whoever starts, stops or changes it; `happen` tells what happened to those who wait."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.observed = Observed()
        self.lock = threading.RLock()
        """For whoever may wait without end, since nobody else waits for them; `locked` is for all others."""
        self.entered = False
        """Whether a command was run in it, as far as this daemon knows."""
        self.stopper: Asker | None = None
        """Who has asked for the stop that goes on: its end may be seen by another thread than theirs."""
        self._changed = threading.Condition()

    @property
    def live(self) -> Live | None:
        """Its process and what it has told, while it runs."""
        return self.observed.live

    @property
    def state(self) -> State:
        return self.observed.state

    @property
    def is_spare(self) -> bool:
        """Whether it was made ahead, and still waits for whoever it will be given to."""
        return self.record.spare and not (self.live and self.live.given)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold its lock. Raises Busy where that takes too long: what it waits for, a home that hangs, say, may never end."""
        if not self.lock.acquire(timeout=_BUSY):
            name = self.record.name
            why = f"it is {self.state}, and what is done to it takes more than {_BUSY:g} s; its owner's home may hang"
            raise Busy(f"{name} is busy", why, f"gaol info {name}")
        try:
            yield
        finally:
            self.lock.release()

    def runs_as(self, live: Live) -> bool:
        """Whether this run of it, and no later one, goes on."""
        now = self.live
        return now is not None and now.process == live.process

    def happen(
        self, event: Callable[Concatenate[Observed, P], Observed], *arguments: P.args, **more: P.kwargs
    ) -> tuple[Observed, Observed]:
        """Let one of `observed`'s events happen, and wake those who wait. Returns what was observed before, and what is now."""
        with self._changed:
            before = self.observed
            self.observed = event(before, *arguments, **more)
            self._changed.notify_all()
            return before, self.observed

    def wait(self, until: Callable[[Observed], bool], timeout: float | None) -> bool:
        """Wait until what is observed is so; False when the time (seconds) ran out."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not until(self.observed):
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            return True
