"""How much a machine may say in a while, so that one that never stops talking takes no time from the others."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A token bucket: `burst` at once, and `rate` a second from then on."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._rate, self._clock = burst, rate, clock
        self._left, self._at = burst, clock()

    def take(self, amount: float) -> float:
        """Seconds until that much was allowed; 0 when it is already."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._left / self._rate)
