"""Each user's share of the daemon's processor time, so that one who asks without end takes no time from the others.

Not counted in requests: a list of one machine and a log of a megabyte are not the same. Who has had his share waits, as
he would for a slower daemon; scripts notice nothing. Only who asks for much more than he can get is told so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gaoler.errors import LimitReached
from gaoler.machines.pace import Pace

BURST = 2.0
"""Seconds of a processor that a user's requests may take at once: starting 30 machines takes 0.3."""
RATE = 0.25
"""Of a processor, from then on: some 200 requests a second."""
LONGEST = 10.0
"""Seconds that a request may have to wait before it is refused."""


class Shares:
    def __init__(self, clock: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.thread_time) -> None:
        self._clock, self.used = clock, used
        self._paces: dict[int, Pace] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, uid: int) -> Iterator[Share]:
        """For one thread's work for a user; what it takes from here on is his."""
        share = Share(self, uid, self.used())
        try:
            yield share
        finally:
            share.settle()

    def take(self, uid: int, seconds: float) -> float:
        """Charge a user; says for how many seconds he should wait."""
        with self._lock:
            return self._paces.setdefault(uid, Pace(BURST, RATE, self._clock)).take(seconds)


class Share:
    def __init__(self, shares: Shares, uid: int, begun: float) -> None:
        self._shares, self._uid, self._begun = shares, uid, begun

    def settle(self) -> float:
        """Charge what this thread took since the last time, and say as `take` does."""
        now = self._shares.used()
        taken, self._begun = now - self._begun, now
        return self._shares.take(self._uid, taken) if self._uid else 0.0

    def wait(self) -> None:
        """Until the user has a share again. Raises LimitReached where that takes too long."""
        wait = self.settle()
        if wait > LONGEST:
            raise LimitReached(
                "you ask more of gaoler than your share",
                f"your requests may take {RATE:.0%} of a processor, and took {wait * RATE:.1f} s more",
                f"sleep {wait:.0f}",
            )
        if wait:
            threading.Event().wait(wait)
