"""Waiting for what the kernel sends no event for: a look every few milliseconds, up to a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds; far more than anything here takes, so that a busy host is not mistaken for a bug."""


def until(look: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The first true answer of `look`; fails the test with `what` when none comes in `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {timeout:g} s still not so: {what}"
        pause.wait(0.01)
