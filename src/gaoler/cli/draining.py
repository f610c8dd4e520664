"""drain: before a reboot or an upgrade of this host."""

from __future__ import annotations

import time

from gaoler.cli.arguments import JSON, Command, flag, option
from gaoler.cli.output import clean, show
from gaoler.client import Gaoler
from gaoler.errors import Failed, Usage
from gaoler.units import show_duration, time_to_live

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

_LOOK_AGAIN = 1.0
"""Seconds between looks at what still runs."""


def _drain(options: Any) -> int:
    if options.end and options.status:
        raise Usage("--end can't be combined with --status", "one changes what the other shows", "gaol drain --status")
    if options.wait and (options.end or options.status):
        other = "--end" if options.end else "--status"
        raise Usage(f"--wait can't be combined with {other}", "it waits for the drain that it begins", "gaol drain --help")
    with Gaoler() as gaoler:
        if options.end:
            reply = gaoler.call("DrainEnd")
        elif options.status:
            reply = gaoler.call("DrainInspect")
        else:
            reply = gaoler.call("Drain", left=float(time_to_live(options.left)), why=options.why, stop=options.down)
        while options.wait and reply["running"]:
            time.sleep(_LOOK_AGAIN)
            reply = gaoler.call("DrainInspect")
            if not reply.get("drain"):  # what waits for us is a reboot
                why = "somebody has let machines start again"
                raise Failed("the drain has ended before it was done", why, "gaol drain --status")
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
        "and by mail, and when the time is up all machines are put to sleep, or stopped where they can't sleep. It ends "
        "with --end or with the next start of this host; machines with autostart are started then (administrator).",
        option("--in", value="DURATION", about="when nothing is to run any more, 0s for now", default="15m", key="left"),
        option("--why", value="TEXT", about="what everybody is told", default=""),
        flag("--down", about="stop machines: a sleeping machine can't go on after this host has changed its kernel"),
        flag("--wait", about="come back when nothing runs any more"),
        flag("--end", about="let machines start again"),
        flag("--status", about="show whether this host is drained, and how many still run"),
        JSON,
        examples=(
            ("sudo gaol drain --in 30m --why 'kernel update' --down --wait && sudo reboot", ""),
            ("sudo gaol drain --end", ""),
        ),
    ),
}
