"""A control group for each owner, around his machines' own: owners share the host evenly, however many each has.

All of them are in one group of the installation's, which has its ceiling: two installations on a host have one each.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler.host import cgroup

_SLACK = 128 << 20
"""Bytes that an owner may have beyond their ceiling for a moment, at least: it takes a quarter of a second to fill them."""
_STANDARD = "gaol"
"""The prefix whose group bears no name of its own."""


def parent(prefix: str) -> str:
    """The group of all machines of an installation."""
    return cgroup.PARENT if prefix == _STANDARD else f"{cgroup.PARENT}-{prefix}"


class Groups:
    """The owners' groups of one daemon: `PREFIX.OWNER`, where OWNER is a uid, or `UID.N` for the Nth account that has it.

    The runtime makes one with the first machine in it; we take it away.
    """

    def __init__(self, prefix: str) -> None:
        self.parent = parent(prefix)
        self._prefix = f"{prefix}."
        self._lock = threading.Lock()
        self._entering: Counter[str] = Counter()

    def of(self, owner: str) -> str:
        """Where installations that were not the first had theirs before each had a group of its own, while it is there."""
        name = f"{self._prefix}{owner}"
        former = f"/{cgroup.PARENT}/{name}"
        return former if self.parent != cgroup.PARENT and cgroup.exists(former) else f"/{self.parent}/{name}"

    @contextmanager
    def entering(self, owner: str) -> Iterator[None]:
        """While a machine's group is made in the owner's, nobody takes that away for being empty."""
        with self._lock:
            self._entering[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._entering[owner] -= 1

    def left(self, owner: str) -> None:
        """A machine has gone, and if it was the last one, so does the group."""
        with self._lock:
            if not self._entering[owner]:
                cgroup.remove_empty(self.of(owner))

    def find(self, machine: str) -> str | None:
        """The group of a machine whose owner is not known."""
        return next((f"{self.of(one)}/{machine}" for one in self._all() if machine in cgroup.children(self.of(one))), None)

    def clear(self) -> None:
        """Take away the groups that nobody is in."""
        for owner in self._all():
            self.left(owner)

    def close(self) -> None:
        """Take away the group of all machines, when there are none and will be none."""
        cgroup.remove_empty(self.parent)

    def _all(self) -> list[str]:
        names = {name for group in {self.parent, cgroup.PARENT} for name in cgroup.children(group)}
        found = (name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))
        return [owner for owner in found if re.fullmatch(r"\d+(\.\d+)?", owner)]

    def weigh_all(self) -> None:
        """Give all machines together their share of the processors."""
        cgroup.host().weigh_all(self.parent)

    def limit_all(self, memory: int, pids: int) -> None:
        """Let all machines together have so many bytes of memory, and processes and threads, at most."""
        cgroup.limit(self.parent, memory, pids)

    def weigh(self, owner: str, weight: int) -> None:
        """Give an owner's machines together `weight` (1 to 10000) where another's have theirs, 100 without a word of the
        administrator's.
        """
        cgroup.write(self.of(owner), cgroup.host().weights(weight))

    def limit(self, owner: str, memory: int, pids: int) -> None:
        """Let an owner's machines together have so many bytes of memory, and processes and threads, at most.

        Who watches them has the time that a part of that more takes: then the kernel chooses whom to kill.
        """
        cgroup.limit(self.of(owner), memory, pids, max(_SLACK, memory // 8))
