"""How long ago things were. The time of day is for people: it is set forward and back."""

from __future__ import annotations

import time


def since_boot() -> float:
    """Seconds since the host's start, sleep included; never set, and the same for all processes (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
