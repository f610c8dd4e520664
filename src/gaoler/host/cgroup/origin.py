"""From a process of the host's to the machine that it is of."""

from __future__ import annotations

import re
from pathlib import Path

from gaoler.host import cgroup
from gaoler.host.cgroup import owners


def machine_of(pid: int, prefix: str, proc: Path = Path("/proc")) -> str | None:
    """The identity of the machine whose control group it is in; None for any other process, and for none.

    Only where this installation's machines are: in a group that is delegated to them, users make some of any name.
    """
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    places = f"(?:{re.escape(cgroup.PARENT)}|{re.escape(owners.parent(prefix))})"
    ours = re.escape(prefix)
    found = re.search(rf"^\d+:[^:]*:/{places}/{ours}\.\d+(?:\.\d+)?/{ours}-([0-9a-f]{{12}})(?:/|$)", groups, re.MULTILINE)
    return found[1] if found else None
