"""How often one may be wrong: failed logins are counted by who is tried, from where, and both together."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 600.0
"""Seconds after which a failure is forgotten."""
LIMITS = {"pair": 5, "user": 60, "remote": 100}
"""Failures in that time. A class behind one address has some; a stranger can't lock a user out with a few."""
PAUSE = 30.0
"""Seconds to wait at the limit, twice as many for each failure beyond it."""
_KEYS = 20_000
"""Remembered at once, the oldest forgotten first."""


@dataclass
class _Count:
    failures: int
    last: float


class Throttle:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def wait(self, user: str, remote: str) -> float:
        """Seconds until a login may be tried again; 0: now."""
        return max(self._wait(kind, key) for kind, key in _keys(user, remote))

    def failed(self, user: str, remote: str) -> None:
        now = self._clock()
        for key in _keys(user, remote):
            count = self._counts.pop(key, None)
            failures = count.failures if count and now - count.last < WINDOW else 0
            self._counts[key] = _Count(failures + 1, now)
        while len(self._counts) > _KEYS:
            self._counts.popitem(last=False)

    def succeeded(self, user: str, remote: str) -> None:
        self._counts.pop(("pair", f"{user}\0{remote}"), None)

    def _wait(self, kind: str, key: str) -> float:
        count = self._counts.get((kind, key))
        if count is None:
            return 0.0
        beyond = count.failures - LIMITS[kind]
        since = self._clock() - count.last
        if beyond < 0 or since >= WINDOW:
            return 0.0
        return max(0.0, min(PAUSE * 2.0 ** min(beyond, 10), WINDOW) - since)


def _keys(user: str, remote: str) -> tuple[tuple[str, str], ...]:
    return ("pair", f"{user}\0{remote}"), ("user", user), ("remote", remote)
