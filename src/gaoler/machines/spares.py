"""Machines that wait, started, for whoever runs something next: one of an owner, who was just here.

Whoever takes one out has it alone, to use or to end: so two that ask at once don't get the same, and none is ended that
somebody has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from gaoler import background
from gaoler.configuration.account import Account
from gaoler.errors import GaolerError
from gaoler.machines.machine import Machine
from gaoler.machines.request import Request
from gaoler.machines.running import Running

_PATIENCE = 20.0
"""Seconds to wait for one that is being made, more than a start may take; and for one that ends."""
_AT_ONCE = 8
"""Of those that end."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """What a machine made ahead is good for. All that has changed since then makes it another key."""

    owner: Account
    request: Request
    """With the limits that held."""
    generation: str | None
    kernel: str


@dataclass
class Spare:
    key: Key
    until: float
    """Of `time.monotonic()`."""
    made: Future[Machine] = field(default_factory=Future)


class Spares:
    """Every method may be called from any thread."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._lock = threading.Lock()
        self._waiting: dict[int, Spare] = {}
        self._closed = False

    def keep(self, key: Key, seconds: float) -> Spare | None:
        """Have a place for a new spare; None where there is one that is as good, which waits for so long now."""
        until = time.monotonic() + seconds
        with self._lock:
            there = self._waiting.get(key.owner.uid)
            if self._closed:
                return None
            if there is not None and there.key == key:
                there.until = until
                return None
            spare = self._waiting[key.owner.uid] = Spare(key, until)
        if there is not None:
            self._end(there)
        return spare

    def take(self, key: Key) -> Machine | None:
        """The owner's machine that waits, if it is of that key and alive; it is the caller's."""
        with self._lock:
            spare = self._waiting.pop(key.owner.uid, None)
        if spare is None:
            return None
        if spare.key == key:
            machine = _made(spare)
            if machine is not None and machine.live is not None:
                return machine
        background.begin(partial(self._end, spare), "drop")
        return None

    def spend(self, uid: int | None) -> bool:
        """End one of a user's, or of anybody's, so that there is room for another machine; says whether there was one."""
        with self._lock:
            found = next((one for one in self._waiting if uid in (None, one)), None)
            spare = self._waiting.pop(found) if found is not None else None
        if spare is None:
            return False
        background.each(self._end, [spare], "drop", at_once=1, patience=_PATIENCE)
        return True

    def drop(self, stale: Callable[[Spare], bool]) -> None:
        """End those of which that is true. One that does not end, for its home hangs, say, keeps nobody waiting for good."""
        with self._lock:
            gone = [self._waiting.pop(uid) for uid, spare in list(self._waiting.items()) if stale(spare)]
        background.each(self._end, gone, "drop", at_once=_AT_ONCE, patience=_PATIENCE)

    def forget(self, spare: Spare) -> None:
        """One that could not be made."""
        with self._lock:
            if self._waiting.get(spare.key.owner.uid) is spare:
                del self._waiting[spare.key.owner.uid]

    def close(self) -> None:
        """End all, and have none from now on: no later daemon could tell whose they are to be."""
        with self._lock:
            self._closed = True
        self.drop(lambda _: True)

    def has(self, uid: int) -> bool:
        with self._lock:
            return uid in self._waiting

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def _end(self, spare: Spare) -> bool:
        machine = _made(spare)
        if machine is not None:
            try:
                self._running.remove(machine, force=True)
            except (GaolerError, OSError) as error:
                _log.error("a machine made ahead does not go: %s", error)
                return False
        return True


def _made(spare: Spare) -> Machine | None:
    try:
        return spare.made.result(_PATIENCE)
    except (GaolerError, OSError, TimeoutError):
        return None
