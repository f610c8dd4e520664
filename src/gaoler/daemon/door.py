"""Who may come in: connections are counted by user before a thread or a byte is spent on them.

A user may hold a quarter of what is free beyond a reserve for those who hold none, so that however many accounts somebody has,
there is room for one more; who knocks at a full house is kept out for a while, longer each time, and pays for the knocking from
their share.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gaoler.errors import LimitReached

CONNECTIONS = 1024
"""At once, of all users. A thread serves each."""
CONNECTIONS_OF_ONE = 64
"""At once, of one user: as many sessions being opened, or waited for, at a time."""
_RESERVE = 256
"""Of all, for users who have none yet."""
_PART = 4
"""Beyond the reserve a user gets one in so many of those that are free (the dynamic thresholds of shared buffers, Choudhury and
Hahne, 1998): eight users have all that one may have, a hundred who take what they can get leave 170."""
SHORTEST, LONGEST = 0.1, 8.0
"""Seconds that a user is kept out for after being refused once, and often."""
_FORGOTTEN = 60.0
"""Seconds after which a refusal counts no longer."""


@dataclass(frozen=True)
class _Refusal:
    until: float
    length: float


class Door:
    """Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._inside: Counter[int] = Counter()
        self._refused: dict[int, _Refusal] = {}
        self._lock = threading.Lock()

    def enter(self, uid: int) -> None:
        """Count one more connection of a user's. Raises LimitReached; root always gets in, to end it."""
        with self._lock:
            if uid:
                self._check(uid)
            self._inside[uid] += 1

    def leave(self, uid: int) -> None:
        """To be called once for each time that somebody entered."""
        with self._lock:
            self._inside[uid] -= 1
            if not self._inside[uid]:
                del self._inside[uid]

    def _check(self, uid: int) -> None:
        now, own, free = self._clock(), self._inside[uid], CONNECTIONS - self._inside.total()
        last = self._refused.get(uid)
        if last and now < last.until:
            wait = last.until - now
            why = "gaoler lets you in again in a while"
            raise LimitReached("you had too many connections", why, f"sleep {wait:.1f}", limit="connections")
        most = min(CONNECTIONS_OF_ONE, max(1, (free - _RESERVE) / _PART)) if free > 0 else 0
        if own < most:
            if last and now > last.until + _FORGOTTEN:
                del self._refused[uid]
            return
        length = min(LONGEST, last.length * 2) if last and now < last.until + _FORGOTTEN else SHORTEST
        self._refused[uid] = _Refusal(now + length, length)
        if own >= CONNECTIONS_OF_ONE:
            why = f"{CONNECTIONS_OF_ONE} at once is gaoler's limit"
            raise LimitReached("you have too many connections", why, "gaol ls", limit="connections")
        why = f"{CONNECTIONS} at once is its limit, and you have {own} of them"
        raise LimitReached("gaoler has too many connections", why, "gaol ls", limit="connections")
