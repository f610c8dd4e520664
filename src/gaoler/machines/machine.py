"""A machine in the daemon's memory: what is wanted, what is observed, and who waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from gaoler.machines.live import Live
from gaoler.machines.record import Record
from gaoler.machines.tally import Reason

State = Literal["starting", "ready", "running", "stopping", "stopped", "failed"]


class Machine:
    """`lock` is held by whoever starts, stops or removes it; `changed` tells what happened to those who wait."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.live: Live | None = None
        self.busy: Literal["starting", "stopping"] | None = None
        self.reason: str | None = None
        """Why it failed."""
        self.answered = False
        """Whether its agent has come up since its last start, also when it has ended since."""
        self.begun: float | None = None
        """When its start began, of `time.monotonic()`; None once it is ready, and for one that was found running."""
        self.ending: Reason = "asked"
        """Why it is being stopped, if it is."""
        self.gone = False
        self.lock = threading.RLock()
        self.changed = threading.Condition()

    @property
    def state(self) -> State:
        return state(self.live, self.busy, self.reason)

    def update(self, change: Callable[[], None]) -> None:
        """Change what is observed, and wake those who wait."""
        with self.changed:
            change()
            self.changed.notify_all()

    def wait(self, until: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for a condition of this machine; False when the time (seconds) ran out."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while not until():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self.changed.wait(left)
            return True


def state(live: Live | None, busy: str | None, reason: str | None) -> State:
    """What state a machine is in. Running is up, but not ready: something is missing."""
    if live is None:
        if busy == "starting":
            return "starting"
        return "failed" if reason else "stopped"
    if busy == "stopping" or live.stopping:
        return "stopping"
    if live.ready:
        return "ready"
    return "running" if live.missing else "starting"
