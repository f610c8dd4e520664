"""Control groups, version 1, as best effort: a hierarchy for each controller, or for a few of them."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path

from gaoler.host.cgroup.hierarchy import Hierarchy, Used, keyed, number, quota

_UNIFIED = "unified"  # where systemd puts an additional version 2 hierarchy, without controllers

_SHARES = 1024
"""Of processors, what the kernel gives a group by itself, and each single process of the host outside of one has."""
_ALL = 16
"""Times that, of all machines together. On version 2 they have as much as all of the host's services (systemd's system.slice),
which is the standard weight.
"""
_LEAST = 2
"""The kernel's own minimum."""


class V1(Hierarchy):
    name = "version 1, or both"
    want_events = select.EPOLLIN

    def directories(self, group: str) -> list[Path]:
        # Some hierarchies have two names by symbolic links (cpu, cpuacct).
        hierarchies = (entry for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False))
        return [Path(f"{entry.path}/{group}") for entry in hierarchies if entry.name != _UNIFIED]

    def left_behind(self, group: str) -> list[Path]:
        """In what jail.prepare_host mounts there crun makes an ordinary directory."""
        return [self.root / _UNIFIED / group]

    def in_the_way(self) -> Path | None:
        unified = self.root / _UNIFIED
        return unified if unified.is_mount() else None

    def weigh_all(self, group: str) -> None:
        for directory in self.directories(group):
            if (directory.parent / "cpu.shares").exists():
                directory.mkdir(exist_ok=True)
                (directory / "cpu.shares").write_text(str(_ALL * _SHARES))

    def weights(self, weight: int) -> dict[str, str]:
        """Of the processors."""
        return {"cpu.shares": f"{max(_LEAST, weight * _SHARES // 100)}"}

    def ceilings(self, memory: int, pids: int, slack: int = 0) -> dict[str, str]:
        return {"memory.limit_in_bytes": f"{memory + slack}", "pids.max": f"{pids}"}

    def bandwidth(self, group: str, cpus: float) -> dict[Path, str]:
        places = [place for place in self.directories(group) if (place / "cpu.cfs_quota_us").exists()]
        return {place / "cpu.cfs_quota_us": str(quota(cpus)) for place in places}

    def want_event(self, group: str, memory: int) -> int | None:
        return self._event(group, "memory.usage_in_bytes", str(memory))

    def heed(self, event: int) -> None:
        with suppress(BlockingIOError):
            os.read(event, 8)

    def usage(self, group: str) -> tuple[int, int]:
        place = self.root / "memory" / group
        all_of_it = int(number(place / "memory.usage_in_bytes"))
        files = keyed(place / "memory.stat", "total_cache") - keyed(place / "memory.stat", "total_shmem")
        return all_of_it, max(0, all_of_it - max(0, int(files)))

    def oom_event(self, group: str) -> int | None:
        """The kernel kills one process, and the rest of a machine would limp on: whoever hears this ends it."""
        return self._event(group, "memory.oom_control")

    def _event(self, group: str, name: str, *more: str) -> int | None:
        memory = self.root / "memory" / group
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            with (memory / name).open() as control:
                (memory / "cgroup.event_control").write_text(" ".join([str(event), str(control.fileno()), *more]))
        except OSError:  # it has gone already
            os.close(event)
            return None
        return event

    def freeze(self, group: str, *, frozen: bool) -> None:
        (self.root / "freezer" / group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")

    def is_frozen(self, group: str) -> bool:
        try:
            return (self.root / "freezer" / group / "freezer.state").read_text() == "FROZEN\n"
        except OSError:  # it has gone, or the host has no freezer
            return False

    def ran_out_of_memory(self, group: str) -> bool:
        return keyed(self.root / "memory" / group / "memory.oom_control", "oom_kill") > 0

    def used(self, group: str) -> Used:
        places = self.directories(group)
        place = self.root / "memory" / group
        cached = keyed(place / "memory.stat", "cache") - keyed(place / "memory.stat", "shmem")
        memory = max(0, number(place / "memory.usage_in_bytes") - max(0, cached))
        seconds = max((number(place / "cpuacct.usage") for place in places), default=0) / 1e9
        tasks = max((number(place / "pids.current") for place in places), default=0)
        return Used(int(memory), seconds, int(tasks))
