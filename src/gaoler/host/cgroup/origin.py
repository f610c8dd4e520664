"""From a process of the host's to the machine that it is of."""

from __future__ import annotations

import re
from pathlib import Path


def machine_of(pid: int, prefix: str, proc: Path = Path("/proc")) -> str | None:
    """The identity of the machine whose control group it is in; None for any other process, and for none."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(rf"/{re.escape(prefix)}-([0-9a-f]{{12}})(/|$)", groups, re.MULTILINE)
    return found[1] if found else None
