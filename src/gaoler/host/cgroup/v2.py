"""Control groups, version 2: one hierarchy for all controllers."""

from __future__ import annotations

import errno
import os
import select
from contextlib import suppress
from pathlib import Path

from gaoler.host.cgroup.hierarchy import PERIOD, Hierarchy, Used, keyed, number, quota


class V2(Hierarchy):
    name = "version 2"
    want_events = select.EPOLLPRI
    resources = {"unified": {"memory.oom.group": "1"}}  # noqa: RUF012 - a constant
    """A machine that has run out of memory is killed whole."""

    def directories(self, group: str) -> list[Path]:
        return [self.root / group]

    def weights(self, weight: int) -> dict[str, str]:
        """Of the processors; of the disk, too, where the host has a scheduler for it that knows of weights."""
        return {"cpu.weight": f"{weight}", "io.weight": f"default {weight}"}

    def ceilings(self, memory: int, pids: int, slack: int = 0) -> dict[str, str]:
        held = {"memory.high": f"{memory}"} if slack else {}
        return {"memory.max": f"{memory + slack}", "pids.max": f"{pids}", **held}

    def freeze(self, group: str, *, frozen: bool) -> None:
        (self.root / group / "cgroup.freeze").write_text("1" if frozen else "0")

    def is_frozen(self, group: str) -> bool:
        return keyed(self.root / group / "cgroup.events", "frozen") > 0

    def bandwidth(self, group: str, cpus: float) -> dict[Path, str]:
        return {self.root / group / "cpu.max": f"{quota(cpus)} {PERIOD}"}

    def want_event(self, group: str, memory: int) -> int | None:  # noqa: ARG002 - it is in memory.high
        try:
            return os.open(self.root / group / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # it has gone, or goes just now
                raise
            return None

    def heed(self, event: int) -> None:
        with suppress(OSError):  # its group has gone
            os.pread(event, 4096, 0)

    def usage(self, group: str) -> tuple[int, int]:
        place = self.root / group
        all_of_it = int(number(place / "memory.current"))
        files = keyed(place / "memory.stat", "file") - keyed(place / "memory.stat", "shmem")
        return all_of_it, max(0, all_of_it - max(0, int(files)))

    def ran_out_of_memory(self, group: str) -> bool:
        return keyed(self.root / group / "memory.events", "oom_kill") > 0

    def used(self, group: str) -> Used:
        place = self.root / group
        seconds = keyed(place / "cpu.stat", "usage_usec") / 1e6
        cached = keyed(place / "memory.stat", "file") - keyed(place / "memory.stat", "shmem")
        memory = max(0, number(place / "memory.current") - max(0, cached))
        return Used(int(memory), seconds, int(number(place / "pids.current")))


def is_at(root: Path) -> bool:
    """Whether the whole host uses the unified hierarchy."""
    return (root / "cgroup.controllers").exists()
