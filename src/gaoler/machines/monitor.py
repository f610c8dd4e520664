"""One thread that watches all machines: processes that end, milestones told, consoles that print, times that run out."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import threading
from collections.abc import Callable

from gaoler.host.clock import since_boot

_AGAIN = 0.1
"""Seconds until it goes on after an error of its own."""
Callback = Callable[[], None]
_log = logging.getLogger(__name__)


class Monitor:
    """Calls back, from its own thread, when a descriptor is readable or a moment has come.

    Callbacks are short: what takes long they hand to another thread.
    """

    def __init__(self, clock: Callable[[], float] = since_boot) -> None:
        self._clock = clock
        self._epoll = select.epoll()
        self._callbacks: dict[int, tuple[Callback, int]] = {}
        self._delays: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._wake_reader, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.watch(self._wake_reader, self._woken)
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def watch(self, descriptor: int, callback: Callback, events: int = select.EPOLLIN) -> None:
        """Call back whenever the descriptor is readable, or ready for other `events`; the caller keeps it open until `forget`."""
        with self._lock:
            self._callbacks[descriptor] = callback, events
            self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch it no longer. To be called before the descriptor is closed."""
        with self._lock:
            if self._callbacks.pop(descriptor, None) is not None:
                self._epoll.unregister(descriptor)

    def after(self, seconds: float, callback: Callback) -> None:
        """Call back in so many seconds, whatever is done to the time of day; at once when they are past."""
        with self._lock:
            heapq.heappush(self._delays, (self._clock() + seconds, next(self._order), callback))
        os.write(self._wake_writer, b"t")

    def _woken(self) -> None:
        os.read(self._wake_reader, 512)

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # no memory, for a moment: who watches must not end
                _log.exception("while waiting for machines")
                threading.Event().wait(_AGAIN)

    def _look(self) -> None:
        for descriptor, _ in self._epoll.poll(self._patience()):
            with self._lock:
                callback, events = self._callbacks.get(descriptor, (None, 0))
                # Since it was reported another thread may have closed it, and its number be another one's by now.
                ready = callback is not None and _ready(descriptor, events)
            if callback and ready:
                self._call(callback)
        for callback in self._due():
            self._call(callback)

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:  # one machine's trouble must not stop the watch over all others
            _log.exception("while watching machines")

    def _patience(self) -> float | None:
        with self._lock:
            wait = self._delays[0][0] - self._clock() if self._delays else None
        # While the host sleeps, ours goes on and epoll's does not: look again at least every minute.
        return None if wait is None else min(60.0, max(0.0, wait))

    def _due(self) -> list[Callback]:
        due = []
        with self._lock:
            now = self._clock()
            while self._delays and self._delays[0][0] <= now:
                due.append(heapq.heappop(self._delays)[2])
        return due


def _ready(descriptor: int, events: int) -> bool:
    look = select.poll()
    look.register(descriptor, events)
    return bool(look.poll(0))
