"""Work that takes a processor: one piece of each user's at a time, and not many of all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler.errors import LimitReached


class Turns:
    """Whoever comes when it is nobody's turn is turned away."""

    def __init__(self, what: str, at_once: int) -> None:
        self._what = what
        self._at_once = at_once
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, uid: int) -> Iterator[None]:
        """Raises LimitReached."""
        with self._lock:
            mine = uid in self._busy
            if mine or len(self._busy) >= self._at_once:
                why = "one of a user's is made at a time" if mine else f"{self._at_once} are made at a time"
                raise LimitReached(f"{self._what} is under way", why, "sleep 10", limit="turns")
            self._busy.add(uid)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(uid)
