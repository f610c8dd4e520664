"""up, ls, info, top, log, wait, down, rm."""

from __future__ import annotations

import time
from collections.abc import Callable

from gaoler.cli.arguments import Parser, add_name, add_spec, spec_of, split_owner
from gaoler.cli.output import Progress, clean, show_json, show_pairs, show_table
from gaoler.client import Gaoler
from gaoler.units import duration, show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def main(command: str, arguments: list[str]) -> int:
    return _COMMANDS[command](arguments)


def _up(arguments: list[str]) -> int:
    parser = Parser("up", "Make a machine if it is not there, start it, wait until it is ready.")
    add_name(parser, optional=True)
    add_spec(parser, whole=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler, Progress() as progress:
        machine = gaoler.up(options.name, progress, **spec_of(options))
    if options.json:
        show_json(machine)
    else:
        print(clean(f"{machine['name']}  {machine['address'] or machine['address6'] or '-'}"))
        if machine["missing"]:
            _tell_missing(machine)
    return 0


def _tell_missing(machine: dict[str, Any]) -> None:
    import sys

    missing = clean(", ".join(machine["missing"]))
    print(f"gaol: {clean(machine['name'])} is up, but something is missing: {missing}", file=sys.stderr)
    print(f"try: gaol log {clean(machine['name'])}", file=sys.stderr)


def _ls(arguments: list[str]) -> int:
    parser = Parser("ls", "The machines there are.")
    parser.add_argument("--all", action="store_true", help="everybody's (administrator)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        machines = gaoler.machines(options.all)
    if options.json:
        show_json(machines)
    elif not machines:
        print("no machines yet; try: gaol up")
    else:
        owner = ["OWNER"] if options.all else []
        show_table(
            [*owner, "NAME", "STATE", "ADDRESS", "BASE", "MEMORY", "UP", "EXPIRES"],
            [
                [
                    *([machine["owner"]] if options.all else []),
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
    return 0


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


def _info(arguments: list[str]) -> int:
    parser = Parser("info", "All about one machine.")
    add_name(parser, optional=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        machine = gaoler.info(**split_owner(options.name))
    if options.json:
        show_json(machine)
    else:
        show_pairs([(key, _readable(key, value)) for key, value in machine.items()])
    return 0


def _readable(key: str, value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(_SHOW.get(key, str)(value))


def _top(arguments: list[str]) -> int:
    parser = Parser("top", "What running machines use.")
    parser.add_argument("--all", action="store_true", help="everybody's (administrator)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        usage = gaoler.call("Top", all=options.all)["usage"]
    if options.json:
        show_json(usage)
    else:
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
    return 0


def _log(arguments: list[str]) -> int:
    parser = Parser("log", "What a machine's console said.")
    add_name(parser)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        text = gaoler.log(**split_owner(options.name))  # type: ignore[arg-type]
    if options.json:
        show_json({"text": text})
    else:
        print(clean(text, keep="\n\t").rstrip("\n"))
    return 0


def _wait(arguments: list[str]) -> int:
    parser = Parser("wait", "Wait until a machine is ready or stopped.")
    add_name(parser)
    parser.add_argument("--for", dest="until", choices=("ready", "stopped"), required=True)
    parser.add_argument("--timeout", metavar="DURATION", help="give up after that, for instance 30s")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    timeout = float(duration(options.timeout)) if options.timeout else None
    with Gaoler() as gaoler:
        machine = gaoler.call("Wait", until=options.until, timeout=timeout, **split_owner(options.name))["machine"]
    if options.json:
        show_json(machine)
    return 0


def _down(arguments: list[str]) -> int:
    parser = Parser("down", "Stop a machine; its files stay.")
    add_name(parser, optional=True)
    parser.add_argument("--all", action="store_true", help="everybody's, all that run (administrator)")
    parser.add_argument("--force", action="store_true", help="at once, without letting its programs end")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if bool(options.name) == options.all:
        parser.error("a NAME or --all is needed")
    if options.all:
        return _down_all(options.force, options.json)
    with Gaoler() as gaoler:
        machine = gaoler.down(force=options.force, **split_owner(options.name))  # type: ignore[arg-type]
    if options.json:
        show_json(machine)
    return 0


def _down_all(force: bool, json: bool) -> int:
    """Side by side, since each may take as long as its programs take to end. One that can't be stopped keeps none running."""
    from concurrent.futures import ThreadPoolExecutor

    from gaoler.errors import Failed, GaolerError, NotFound

    def stop(machine: dict[str, Any]) -> dict[str, Any] | str | None:
        try:
            with Gaoler() as gaoler:
                return gaoler.down(machine["name"], force, machine["owner"])
        except NotFound:  # a throw-away one that has ended meanwhile
            return None
        except GaolerError as error:
            return str(error)

    with Gaoler() as gaoler:
        running = [machine for machine in gaoler.machines(everybody=True) if machine["state"] not in ("stopped", "failed")]
    with ThreadPoolExecutor(max_workers=16) as pool:
        done = list(pool.map(stop, running))
    stopped = [machine for machine in done if isinstance(machine, dict)]
    if json:
        show_json(stopped)
    else:
        for machine in stopped:
            print(clean(f"{machine['owner']}/{machine['name']}"))
    problems = [text for text in done if isinstance(text, str)]
    if problems:
        raise Failed(f"{len(problems)} machines could not be stopped", problems[0])
    return 0


def _rm(arguments: list[str]) -> int:
    parser = Parser("rm", "Stop a machine and throw it away, with its snapshots.")
    add_name(parser)
    parser.add_argument("--force", action="store_true", help="at once, without letting its programs end")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        gaoler.remove(force=options.force, **split_owner(options.name))  # type: ignore[arg-type]
    return 0


_COMMANDS = {"up": _up, "ls": _ls, "info": _info, "top": _top, "log": _log, "wait": _wait, "down": _down, "rm": _rm}
