"""drain: before a reboot or an upgrade of this host."""

from __future__ import annotations

import time

from gaoler.cli.arguments import JSON, Command, flag, option
from gaoler.cli.output import clean, show
from gaoler.client import Gaoler
from gaoler.errors import Usage
from gaoler.units import show_duration, time_to_live

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

_LOOK_AGAIN = 1.0
"""Seconds between looks at what runs still."""


def _drain(options: Any) -> int:
    if options.end and options.status:
        raise Usage("--end and --status are two things", "one changes what the other shows", "gaol drain --status")
    with Gaoler() as gaoler:
        if options.end:
            reply = gaoler.call("DrainEnd")
        elif options.status:
            reply = gaoler.call("DrainInspect")
        else:
            reply = gaoler.call("Drain", left=float(time_to_live(options.left)), why=options.why, stop=options.down)
        while options.wait and reply.get("drain") and reply["running"]:
            time.sleep(_LOOK_AGAIN)
            reply = gaoler.call("DrainInspect")
    told = {"drain": reply.get("drain"), "running": reply["running"]}
    return show(told, as_json=options.json, text=lambda: print(clean(_told(**told))))


def _told(drain: dict[str, Any] | None, running: int) -> str:
    runs = f"{running} machine{'' if running == 1 else 's'} running"
    if drain is None:
        return f"this host is not drained, {runs}"
    left = drain["left"]
    then = "all are stopped" if drain["stop"] else "all are put to sleep"
    when = f"{then} in {show_duration(left)}" if left >= 1 else f"{then} now" if running else "done"
    why = f" ({drain['why']})" if drain["why"] else ""
    return f"drained by {drain['who']}{why}: nothing starts, {runs}, {when}; gaol drain --end ends it"


COMMANDS = {
    "drain": Command(
        _drain,
        "Before a reboot or an upgrade of this host: no machine starts any more, whoever works in one is told on their terminal "
        "and by mail, and by a time all machines are put to sleep, or stopped where they can't sleep. It ends with --end or "
        "with the next start of this host; machines with autostart are started then (administrator).",
        option("--in", value="DURATION", about="when nothing is to run any more, 0s for now", default="15m", key="left"),
        option("--why", value="TEXT", about="what everybody is told", default=""),
        flag("--down", about="stop machines: what sleeps can't go on under another kernel of this host's"),
        flag("--wait", about="come back when nothing runs any more"),
        flag("--end", about="let machines start again"),
        flag("--status", about="show whether this host is drained, and how many machines run still"),
        JSON,
        examples=(
            ("sudo gaol drain --in 30m --why 'kernel update' --down --wait && sudo reboot", ""),
            ("sudo gaol drain --end", ""),
        ),
    ),
}
