"""Control groups, version 2: one hierarchy for all controllers."""

from __future__ import annotations

from pathlib import Path

from gaoler.host.cgroup.hierarchy import PERIOD, Hierarchy, Used, keyed, number, quota


class V2(Hierarchy):
    name = "version 2"
    resources = {"unified": {"memory.oom.group": "1"}}  # noqa: RUF012 - a constant
    """A machine that has run out of memory is killed whole."""

    def directories(self, group: str) -> list[Path]:
        return [self.root / group]

    def weights(self, weight: int) -> dict[str, str]:
        """Of the processors; of the disk, too, where the host has a scheduler for it that knows of weights."""
        return {"cpu.weight": f"{weight}", "io.weight": f"default {weight}"}

    def ceilings(self, memory: int, pids: int) -> dict[str, str]:
        return {"memory.max": f"{memory}", "pids.max": f"{pids}"}

    def freeze(self, group: str, *, frozen: bool) -> None:
        (self.root / group / "cgroup.freeze").write_text("1" if frozen else "0")

    def is_frozen(self, group: str) -> bool:
        return keyed(self.root / group / "cgroup.events", "frozen") > 0

    def bandwidth(self, group: str, cpus: float) -> dict[Path, str]:
        return {self.root / group / "cpu.max": f"{quota(cpus)} {PERIOD}"}

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
