"""ls, info, top, log: what there is to see of machines."""

from __future__ import annotations

import time

from gaoler.cli.arguments import JSON, MACHINE, MAYBE_MACHINE, Command, flag, option
from gaoler.cli.output import clean, show, show_columns, show_pairs, show_table, show_time
from gaoler.client import Gaoler
from gaoler.errors import Usage
from gaoler.units import show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from gaoler.cli.output import Columns


def _ls(options: Any) -> int:
    if options.removed:
        return _removed(options)
    with Gaoler() as gaoler:
        machines = gaoler.call("List", all=options.all, shared=True)["machines"]
    if options.by_user:
        sums = sums_of(machines, _MACHINE_SUMS)
        return show(sums, as_json=options.json, text=lambda: _tell_machine_sums(sums))
    return show(machines, as_json=options.json, text=lambda: _tell(machines, everybody=options.all))


def _removed(options: Any) -> int:
    if options.all:
        raise Usage("--removed can't be combined with --all", "it lists your own", "gaol ls --removed")
    with Gaoler() as gaoler:
        found = gaoler.call("RemovedList")["removed"]
    return show(found, as_json=options.json, text=lambda: _tell_removed(found))


def _tell_removed(found: list[dict[str, Any]]) -> None:
    if not found:
        print("nothing that was removed can be brought back")
        return
    columns: Columns = {
        "name": str, "id": str, "base": str, "removed": show_time, "until": show_time,
        "held": lambda value: "" if value is None else show_size(value), "snapshots": ", ".join,
    }  # fmt: skip
    show_columns(found, columns)


def _tell(machines: list[dict[str, Any]], *, everybody: bool) -> None:
    if machines:
        list_machines(machines, with_owner=everybody)
        if everybody:
            print()
            _tell_machine_sums(sums_of(machines, _MACHINE_SUMS))
    else:
        print("nobody has a machine yet" if everybody else "no machines yet; try: gaol up")


def list_machines(machines: list[dict[str, Any]], *, with_owner: bool) -> None:
    """A table of some machines, and what can be said of them in a line below."""
    owner = ["OWNER"] if with_owner else []
    show_table(
        [*owner, "NAME", "STATE", "ADDRESS", "BASE", "MEMORY", "UP", "STOPS"],
        [
            [
                *([machine["owner"]] if with_owner else []),
                machine["name"] if with_owner or not machine.get("access") else f"{machine['owner']}/{machine['name']}",
                machine["state"],
                machine["address"] or machine["address6"] or "",
                _base(machine),
                show_size(machine["memory"]),
                _since(machine["started"]),
                f"in {show_duration(machine['expires'] - time.time())}" if machine["expires"] else "",
            ]
            for machine in machines
        ],
    )
    gone = [machine for machine in machines if machine["gone"]]
    if gone:
        whose, login = clean(f"{gone[0]['owner']}/{gone[0]['name']}"), clean(gone[0]["gone"])
        print(f"\n{whose} was {login}'s, whose account has gone: gaol give '{whose}' USER, or gaol rm '{whose}'")
    older = [machine["name"] for machine in machines if machine.get("newer")]
    if older:
        print(f"\n* its base has a newer generation by now: gaol info {clean(older[0])}")


_MACHINE_SUMS: dict[str, Callable[[dict[str, Any]], float]] = {
    "running": lambda machine: bool(machine["started"]),
    "memory": lambda machine: machine["memory"] if machine["started"] else 0,
    "host_memory": lambda machine: machine["host_memory"] if machine["started"] else 0,
    "disk_used": lambda machine: machine["disk_used"] or 0,
}
"""What is added up of each user's machines; memory is that of those that run."""
_USAGE_SUMS: dict[str, Callable[[dict[str, Any]], float]] = {
    key: (lambda row, key=key: row[key])  # type: ignore[misc]
    for key in ("memory", "memory_limit", "cpu_seconds", "tasks")
}


def sums_of(rows: list[dict[str, Any]], sums: dict[str, Callable[[dict[str, Any]], float]]) -> list[dict[str, Any]]:
    """For each owner how many rows there are, and sums of them."""
    owners: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = owners.setdefault(row["owner"], {"owner": row["owner"], "machines": 0, **dict.fromkeys(sums, 0)})
        one["machines"] += 1
        for key, value in sums.items():
            one[key] += value(row)
    return list(owners.values())


def _tell_machine_sums(sums: list[dict[str, Any]]) -> None:
    show_table(
        ["OWNER", "MACHINES", "RUNNING", "MEMORY", "AT MOST", "DISK"],
        [
            [one["owner"], one["machines"], one["running"], show_size(one["memory"]), show_size(one["host_memory"]),
             show_size(one["disk_used"])]
            for one in sorted(sums, key=lambda one: -int(one["host_memory"]))
        ],
    )  # fmt: skip


def _base(machine: dict[str, Any]) -> str:
    """`debian 3`, with a star where there is a newer generation."""
    return " ".join(filter(None, (machine["base"], machine["generation"]))) + ("*" if machine.get("newer") else "")


def _since(moment: float | None) -> str:
    return show_duration(time.time() - moment) if moment else ""


def _info(options: Any) -> int:
    with Gaoler() as gaoler:
        machine = gaoler.call("Inspect", name=options.name)["machine"]
    return show(machine, as_json=options.json, text=lambda: show_pairs(list(_told(machine))))


def _told(machine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is worth saying of a machine, in words. What it does not have is left out, or said."""
    name = machine["name"]
    yield "name", name
    yield "owner", f"{machine['owner']}, once {machine['gone']}: that account has gone" if machine["gone"] else machine["owner"]
    since = f", for {_since(machine['started'])}" if machine["started"] else ""
    yield "state", machine["state"] + since
    if machine["reason"]:
        yield "reason", machine["reason"]
    if machine.get("killed"):
        yield "killed", f"{machine['killed']}, inside: its memory ({show_size(machine['memory'])}) was full"
    if machine["missing"]:
        yield "missing", f"{', '.join(machine['missing'])}; gaol log {name} may say why"
    addresses = [machine[key] for key in ("address", "address6") if machine[key]]
    if not machine["mac"]:
        yield "address", "none: it was made without a network"
    elif addresses:
        yield "address", ", ".join(addresses)
    yield "base", f"{machine['base']}, generation {machine['generation']}" if machine["generation"] else machine["base"]
    if machine.get("newer"):
        new = f"generation {machine['newer']} of {machine['base']}"
        yield "newer", f"{new}: a new machine has it; gaol rebase {name} moves this one over, once it is stopped"
    yield "memory", f"{show_size(machine['memory'])}, at most {show_size(machine['host_memory'])} of the host's"
    yield "processors", f"{machine['cpus']:g}"
    if machine["disk"] or machine["disk_used"] is not None:
        used = "" if machine["disk_used"] is None else f"{show_size(machine['disk_used'])} used"
        yield "disk", " of ".join(filter(None, (used, show_size(machine["disk"]) if machine["disk"] else "as much as there is")))
    yield "home", "your home directory is in it" if machine["home"] else "none: it was made without"
    if machine.get("access"):
        yield "shared", f"with you, by {machine['owner']}: you may go in as {machine['access']}"
    for share in machine.get("shares", ()):
        end = f", until {_moment(share['until'])}" if share["until"] else ""
        yield (
            "shared",
            f"with {share['user']}, who may go in as {share['access']}{end}; gaol unshare {name} {share['user']} ends it",
        )
    if machine["autostart"]:
        yield "autostart", f"it starts with this host; gaol set {name} autostart=no ends that"
    if machine["snapshots"]:
        yield "snapshots", ", ".join(machine["snapshots"])
    yield "made", _moment(machine["created"])
    if machine["expires"]:
        yield "stops", f"{_moment(machine['expires'])}, in {show_duration(machine['expires'] - time.time())}"
    if machine["kernel"]:
        yield "kernel", f"{machine['kernel']}, {machine['mode']}"
    yield "init", machine["init"]
    if machine["pid"]:
        yield "process", f"{machine['pid']} on this host"


def _moment(when: float) -> str:
    return time.strftime("%a %d %b %Y %H:%M", time.localtime(when))


def _top(options: Any) -> int:
    with Gaoler() as gaoler:
        usage = gaoler.call("Top", all=options.all, pid=_pid(options.pid))["usage"]
    if options.by_user:
        sums = sums_of(usage, _USAGE_SUMS)
        return show(sums, as_json=options.json, text=lambda: _use_sums(sums))
    return show(usage, as_json=options.json, text=lambda: _use(usage, everybody=options.all))


def _pid(text: str | None) -> int | None:
    if text is None or (text.isascii() and text.isdecimal()):
        return int(text) if text else None
    raise Usage(f'"{text[:40]}" is not a process', "its number is expected", "gaol top --pid 1234")


def _use_sums(sums: list[dict[str, Any]]) -> None:
    show_table(
        ["OWNER", "MACHINES", "MEMORY", "LIMIT", "CPU", "TASKS"],
        [
            [one["owner"], one["machines"], show_size(one["memory"]), show_size(one["memory_limit"]),
             show_duration(one["cpu_seconds"]), one["tasks"]]
            for one in sorted(sums, key=lambda one: -float(one["cpu_seconds"]))
        ],
    )  # fmt: skip


def _use(usage: list[dict[str, Any]], *, everybody: bool) -> None:
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
    if everybody and usage:
        print()
        _use_sums(sums_of(usage, _USAGE_SUMS))


def _log(options: Any) -> int:
    with Gaoler() as gaoler:
        text = _read(gaoler, options)
        if options.follow:
            return _follow(gaoler, options, text)
    return show({"text": text}, as_json=options.json, text=lambda: _print(text))


def _read(gaoler: Gaoler, options: Any) -> str:
    text: str = gaoler.call("Log", name=options.name)["text"]
    return text if options.boot or options.json else _after_boot(text)


def _after_boot(text: str) -> str:
    """Which kernel was started last, and what came after its start, which is a hundred lines of no interest."""
    booted = text.rfind(_BOOTED)
    banner = text.rfind(_BANNER, 0, max(booted, 0))
    if banner < 0:
        return text
    first = text[text.rfind("\n", 0, banner) + 1 : text.find("\n", banner) + 1]
    return first + text[text.find("\n", booted) + 1 :]


def _print(text: str) -> None:
    print(clean(text, keep="\n\t").rstrip("\n"))


def _follow(gaoler: Gaoler, options: Any, text: str) -> int:
    """Print what comes until somebody ends it, or the machine has gone."""
    print(clean(text, keep="\n\t"), end="", flush=True)
    while True:
        time.sleep(_LOOK_AGAIN)
        now = _read(gaoler, options)
        if now != text:
            # Of a long log the daemon sends the end: what we have is then further to the front, or has gone.
            last = text[-200:]
            at = now.rfind(last) if last else 0
            print(clean(now[at + len(last) :] if at >= 0 else now, keep="\n\t"), end="", flush=True)
            text = now


_BANNER, _BOOTED = "Linux version ", "Run /init as init process"
"""The kernel's first words, and its last ones before the first program."""
_LOOK_AGAIN = 0.5
"""Seconds between looks at a log that is followed."""
_EVERYBODY = flag("--all", about="everybody's machines, and sums by user (administrator)")
_BY_USER = flag("--by-user", about="sums by user alone")

COMMANDS = {
    "ls": Command(
        _ls,
        "List your machines, running and stopped. A star marks a machine whose base has a newer generation.",
        _EVERYBODY,
        _BY_USER,
        flag("--removed", about="those that were deleted and can be brought back, until when, and what they hold"),
        flag("-a", about=""),  # docker's, for stopped ones too: they are there anyway
        JSON,
    ),
    "info": Command(_info, "Show everything about a machine.", MAYBE_MACHINE, JSON, examples=(("gaol info web", ""),)),
    "top": Command(
        _top,
        "Show what running machines use: memory, processor time, processes.",
        _EVERYBODY,
        _BY_USER,
        option("--pid", value="PID", about="the machine that this process of the host is of"),
        JSON,
        examples=(("sudo gaol top --pid 12345", "whose is it?"),),
    ),
    "log": Command(
        _log,
        "Show what a machine's console has said since it started.",
        MACHINE,
        flag("--boot", about="include what the kernel said while it started"),
        flag("-f", "--follow", about="keep printing what comes, until Ctrl-C"),
        JSON,
        examples=(("gaol log web", ""), ("gaol log web --follow", "")),
    ),
}
