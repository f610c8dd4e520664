"""How the host is off for memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_PRESSURE = Path("/proc/pressure/memory")


@dataclass(frozen=True)
class Memory:
    """Of the host, in bytes; `stalled`: per cent of the last 10 s that somebody waited for memory (PSI), 0 where none tells."""

    total: int
    available: int
    stalled: float


def look(meminfo: Path = _MEMINFO, pressure: Path = _PRESSURE) -> Memory:
    """As of this moment."""
    text = meminfo.read_text()
    found = {name: int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1]) << 10 for name in ("MemTotal", "MemAvailable")}  # type: ignore[index]
    try:
        some = re.search(r"^some avg10=([0-9.]+)", pressure.read_text(), re.MULTILINE)
    except OSError:  # built without PSI, or it is turned off
        some = None
    return Memory(found["MemTotal"], found["MemAvailable"], float(some[1]) if some else 0.0)
