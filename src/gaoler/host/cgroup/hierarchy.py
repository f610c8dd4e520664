"""What the versions of control groups have in common, and where they differ: one class with a method for each difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Used:
    """Bytes, seconds of processor time, processes and threads."""

    memory: int
    cpu_seconds: float
    tasks: int


class Hierarchy(ABC):
    """The control groups of a host. Groups are named by their path from the root, without a slash in front."""

    name: ClassVar[str]
    """For people."""
    resources: ClassVar[dict[str, Any]] = {}
    """What a machine's group is given beside limits, as the runtime takes it (OCI's `linux.resources`)."""
    want_events: ClassVar[int]
    """Of epoll(7)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def directories(self, group: str) -> list[Path]:
        """Where a group lies."""

    def left_behind(self, group: str) -> list[Path]:  # noqa: ARG002
        """Ordinary directories that the runtime makes for a group, and does not take away."""
        return []

    def in_the_way(self) -> Path | None:
        """A mount that the runtime must not see."""
        return None

    def weigh_all(self, group: str) -> None:  # noqa: B027 - one of them does it by itself
        """Give a group for all machines their share of the processors."""

    @abstractmethod
    def weights(self, weight: int) -> dict[str, str]:
        """Files, and what to write there, for a group to weigh `weight` where the others have 100."""

    @abstractmethod
    def ceilings(self, memory: int, pids: int, slack: int = 0) -> dict[str, str]:
        """Files, and what to write there, for all in a group to have so many bytes, processes and threads at most.

        Beyond `memory` the group is held back where the kernel can do that; `slack` bytes further on it kills.
        """

    @abstractmethod
    def bandwidth(self, group: str, cpus: float) -> dict[Path, str]:
        """Files, and what to write there, for a group to have `cpus` processors' time."""

    def oom_event(self, group: str) -> int | None:  # noqa: ARG002
        """A descriptor that is readable once the group has run out of memory; None where the kernel kills all of it then."""
        return None

    @abstractmethod
    def want_event(self, group: str, memory: int) -> int | None:
        """A descriptor that is ready for `want_events` when a group begins to use so many bytes; None where there is no group."""

    @abstractmethod
    def heed(self, event: int) -> None:
        """Have a descriptor of `want_event` be ready at the next time again."""

    @abstractmethod
    def usage(self, group: str) -> tuple[int, int]:
        """Bytes of memory that a group uses with all below it: in all, and without files that could be read again."""

    @abstractmethod
    def ran_out_of_memory(self, group: str) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""

    @abstractmethod
    def freeze(self, group: str, *, frozen: bool) -> None:
        """Begin to hold all processes of the group, or let them go on. Raises OSError."""

    @abstractmethod
    def is_frozen(self, group: str) -> bool:
        """Whether all of them stand still."""

    @abstractmethod
    def used(self, group: str) -> Used:
        """Zeros for what the host does not count."""


PERIOD = 100_000
"""Microseconds in which a group has its share of processor time, as the runtime sets it."""


def quota(cpus: float) -> int:
    """Microseconds of a period."""
    return max(1_000, round(cpus * PERIOD))


def number(path: Path) -> float:
    """What a file counts; 0 where there is none."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def keyed(path: Path, key: str) -> float:
    """What a file of keys and numbers counts; 0 where there is none."""
    try:
        pairs = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return float(pairs.get(key, 0))
    except (OSError, ValueError):
        return 0.0
