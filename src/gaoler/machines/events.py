"""What happens to machines, told once: a line for the log that an administrator reads at night, and an entry for the audit.

The line names owner and machine, who asked, how long it took, and why it ended. What keeps an audit takes the fields that come
with it (daemon/audit.py).
"""

from __future__ import annotations

import logging

from gaoler import logs
from gaoler.machines import asking
from gaoler.machines.record import Record

_log = logging.getLogger("gaoler.events")


def tell(of: Record, did: str, how: str = "", *, level: int = logging.INFO) -> None:
    """`did` is a word or two: started, stopped, crashed, removed."""
    who = asking.asker()
    said = ", ".join(filter(None, (f"{of.label}: {did}", how, f"asked by {who}" if who else "")))
    _log.log(level, "%s", logs.printable(said), extra={"event": {"did": did, "machine": of.label, "id": of.id, "how": how}})
