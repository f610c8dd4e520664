"""What a control group uses, on hosts with version 2 and with version 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaoler.host import cgroup


@dataclass(frozen=True)
class Used:
    """Bytes, seconds of processor time, processes and threads."""

    memory: int
    cpu_seconds: float
    tasks: int


def of(name: str) -> Used:
    """Zeros for what the host does not count."""
    memory = cpu = tasks = 0.0
    for directory in cgroup.directories(name):
        memory = max(memory, _number(directory / "memory.current"), _number(directory / "memory.usage_in_bytes"))
        cpu = max(cpu, _keyed(directory / "cpu.stat", "usage_usec") / 1e6, _number(directory / "cpuacct.usage") / 1e9)
        tasks = max(tasks, _number(directory / "pids.current"))
    return Used(int(memory), cpu, int(tasks))


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def _keyed(path: Path, key: str) -> float:
    try:
        pairs = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return float(pairs.get(key, 0))
    except (OSError, ValueError):
        return 0.0
