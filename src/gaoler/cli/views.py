"""ls, info, top, log: what there is to see of machines."""

from __future__ import annotations

import time

from gaoler.cli.arguments import JSON, MACHINE, MAYBE_MACHINE, Command, flag
from gaoler.cli.output import clean, show, show_pairs, show_table
from gaoler.client import Gaoler
from gaoler.units import show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _ls(options: Any) -> int:
    with Gaoler() as gaoler:
        machines = gaoler.machines(options.all)
    return show(machines, as_json=options.json, text=lambda: _list(machines, with_owner=options.all))


def _list(machines: list[dict[str, Any]], *, with_owner: bool) -> None:
    if not machines:
        print("no machines yet; try: gaol up")
        return
    owner = ["OWNER"] if with_owner else []
    show_table(
        [*owner, "NAME", "STATE", "ADDRESS", "BASE", "MEMORY", "UP", "EXPIRES"],
        [
            [
                *([machine["owner"]] if with_owner else []),
                machine["name"],
                machine["state"],
                machine["address"] or "-",
                machine["base"],
                show_size(machine["memory"]),
                _since(machine["started"]),
                f"in {show_duration(machine['expires'] - time.time())}" if machine["expires"] else "-",
            ]
            for machine in machines
        ],
    )


def _since(moment: float | None) -> str:
    return show_duration(time.time() - moment) if moment else "-"


_SHOW: dict[str, Callable[[Any], str]] = {
    "memory": show_size,
    "disk": show_size,
    "disk_used": show_size,
    "created": time.ctime,
    "started": time.ctime,
    "expires": time.ctime,
}


def _info(options: Any) -> int:
    with Gaoler() as gaoler:
        machine = gaoler.call("Inspect", name=options.name)["machine"]
    pairs = [(key, _readable(key, value)) for key, value in machine.items()]
    return show(machine, as_json=options.json, text=lambda: show_pairs(pairs))


def _readable(key: str, value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(_SHOW.get(key, str)(value))


def _top(options: Any) -> int:
    with Gaoler() as gaoler:
        usage = gaoler.call("Top", all=options.all)["usage"]
    return show(usage, as_json=options.json, text=lambda: _use(usage))


def _use(usage: list[dict[str, Any]]) -> None:
    show_table(
        ["OWNER", "NAME", "MEMORY", "LIMIT", "CPU", "CPU%", "TASKS", "UP"],
        [
            [
                row["owner"],
                row["name"],
                show_size(row["memory"]),
                show_size(row["memory_limit"]),
                show_duration(row["cpu_seconds"]),
                f"{100 * row['cpu_seconds'] / max(row['uptime'], 0.001):.0f}",
                row["tasks"],
                show_duration(row["uptime"]),
            ]
            for row in sorted(usage, key=lambda row: -float(row["cpu_seconds"]))
        ],
    )


def _log(options: Any) -> int:
    with Gaoler() as gaoler:
        text: str = gaoler.call("Log", name=options.name)["text"]
    return show({"text": text}, as_json=options.json, text=lambda: print(clean(text, keep="\n\t").rstrip("\n")))


_EVERYBODY = flag("--all", about="everybody's (administrator)")

COMMANDS = {
    "ls": Command(
        _ls,
        "List your machines.",
        _EVERYBODY,
        JSON,
    ),
    "info": Command(_info, "Show all about one machine.", MAYBE_MACHINE, JSON, examples=(("gaol info web", ""),)),
    "top": Command(_top, "Show what running machines use: memory, processor time, processes.", _EVERYBODY, JSON),
    "log": Command(_log, "Show what a machine's console said.", MACHINE, JSON, examples=(("gaol log web", ""),)),
}
