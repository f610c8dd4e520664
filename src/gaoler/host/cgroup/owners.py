"""A control group for each owner, around his machines' own: owners share the host evenly, however many each has."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler.host import cgroup


class Groups:
    """The owners' groups of one daemon: `PREFIX.UID`. The runtime makes one with the first machine in it; we take it away."""

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}."
        self._lock = threading.Lock()
        self._entering: Counter[int] = Counter()

    def of(self, uid: int) -> str:
        return f"/{cgroup.PARENT}/{self._prefix}{uid}"

    @contextmanager
    def entering(self, uid: int) -> Iterator[None]:
        """While a machine's group is made in the owner's, nobody takes that away for being empty."""
        with self._lock:
            self._entering[uid] += 1
        try:
            yield
        finally:
            with self._lock:
                self._entering[uid] -= 1

    def left(self, uid: int) -> None:
        """A machine has gone, and if it was the last one, so does the group."""
        with self._lock:
            if not self._entering[uid]:
                cgroup.remove_empty(self.of(uid))

    def find(self, machine: str) -> str | None:
        """The group of a machine whose owner is not known."""
        return next((f"{self.of(uid)}/{machine}" for uid in self._all() if machine in cgroup.children(self.of(uid))), None)

    def clear(self) -> None:
        """Take away the groups that nobody is in."""
        for uid in self._all():
            self.left(uid)

    def _all(self) -> list[int]:
        found = (name.removeprefix(self._prefix) for name in cgroup.children(cgroup.PARENT) if name.startswith(self._prefix))
        return [int(uid) for uid in found if uid.isdecimal()]

    def weigh(self, uid: int, weight: int) -> None:
        """Give an owner's machines together `weight` (1 to 10000) where another's have theirs, 100 without a word of the
        administrator's.
        """
        cgroup.write(self.of(uid), cgroup.host().weights(weight))

    def limit(self, uid: int, memory: int, pids: int) -> None:
        """Let an owner's machines together have so many bytes of memory, and processes and threads, at most."""
        cgroup.limit(self.of(uid), memory, pids)
