"""A machine in the daemon's memory: what is wanted, what is observed, and who waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from gaoler.machines.asking import Asker
from gaoler.machines.live import Live
from gaoler.machines.observed import Observed, State
from gaoler.machines.record import Record

P = ParamSpec("P")


class Machine:
    """`lock` is held by whoever starts, stops or removes it; `happen` tells what happened to those who wait."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.observed = Observed()
        self.lock = threading.RLock()
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
