"""up, down, rm, wait: a machine's life."""

from __future__ import annotations

import sys

from gaoler.cli import terminal
from gaoler.cli.arguments import (
    JSON,
    KEPT_OPTIONS,
    MACHINE,
    MACHINE_OPTIONS,
    MACHINES,
    MAYBE_MACHINE,
    Command,
    flag,
    option,
    place,
    spec_of,
)
from gaoler.cli.output import Progress, clean, show, show_json, show_time
from gaoler.client import Gaoler
from gaoler.errors import Failed, Usage
from gaoler.units import show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def _up(options: Any) -> int:
    if options.source:
        _must_be_alone(options)
    with Gaoler() as gaoler, Progress() as progress:
        if options.source:
            from gaoler.cli import furnish

            machine = furnish.up(gaoler, options.source, options.name, progress)
        else:
            machine = gaoler.call("Up", progress, spec=spec_of("up", options), name=options.name)["machine"]
        if options.desktop:
            from gaoler.cli.desktop import start

            progress({"step": "starting the desktop"})
            start(gaoler, machine)
    return show(machine, as_json=options.json, text=lambda: _tell_up(machine))


def _must_be_alone(options: Any) -> None:
    given = [one.names[-1] for one in (*MACHINE_OPTIONS, *KEPT_OPTIONS) if getattr(options, one.key) != one.default]
    if given:
        why = f"the file says what the machine is to be: put {given[0].removeprefix('--no-').removeprefix('--')} into it"
        raise Usage(f"{given[0]} can't be combined with --from", why, f"less {options.source}")


def _tell_up(machine: dict[str, Any]) -> None:
    import sys

    name = clean(machine["name"])
    print(clean(f"{name}  {machine['address'] or machine['address6'] or '-'}"))
    if machine.get("newer"):
        base, newer, own = machine["base"], machine["newer"], machine["generation"]
        print(
            clean(
                f"gaol: {base} has generation {newer} by now; {name} was made of {own}: gaol rebase {name}, once it is stopped"
            ),
            file=sys.stderr,
        )
    if machine["missing"]:
        why = f" ({machine['reason']})" if machine["reason"] else ""
        print(f"gaol: {name} is up, but something is missing: {clean(', '.join(machine['missing']) + why)}", file=sys.stderr)
        print(f"try: gaol log {name}", file=sys.stderr)


def _wait(options: Any) -> int:
    from gaoler.units import duration

    timeout = float(duration(options.timeout)) if options.timeout else None
    with Gaoler() as gaoler:
        machine = gaoler.call("Wait", until=options.until, timeout=timeout, name=options.name)["machine"]
    return show(machine, as_json=options.json)


def _down(options: Any) -> int:
    if options.names and options.all:
        raise Usage(
            "names can't be combined with --all", "--all stops every running machine, whoever owns it", "gaol down --help"
        )
    if options.all:
        return _down_all(options.force, options.json)
    with Gaoler() as gaoler:
        names = options.names or [_only_running(gaoler)]
        stopped = [gaoler.call("Down", force=options.force, name=name)["machine"] for name in names]
    for machine in stopped:
        if machine["autostart"]:
            name = clean(machine["name"])
            print(f"gaol: {name} starts with this host all the same; gaol set {name} autostart=no ends that", file=sys.stderr)
    return show(
        stopped[0] if len(stopped) == 1 else stopped,
        as_json=options.json,
        text=None if options.names else lambda: print(clean(f"{stopped[0]['name']} has stopped; its files stay")),
    )


def _sleep(options: Any) -> int:
    return _each("Sleep", options)


def _freeze(options: Any) -> int:
    return _each("Freeze", options)


def _thaw(options: Any) -> int:
    return _each("Thaw", options)


def _each(method: str, options: Any) -> int:
    """Ask it for one machine after the other, each of which takes milliseconds."""
    with Gaoler() as gaoler:
        machines = [gaoler.call(method, name=name)["machine"] for name in options.names]
    return show(machines[0] if len(machines) == 1 else machines, as_json=options.json)


def _only_running(gaoler: Gaoler) -> str:
    """The machine that is meant by `gaol down` alone. Raises Usage where that can't be told."""
    running = [machine["name"] for machine in gaoler.machines() if machine["state"] not in ("stopped", "failed", "asleep")]
    if not running:
        raise Failed("nothing to stop", "none of your machines is running", "gaol ls")
    if len(running) > 1:
        raise Usage("no machine named", f"{len(running)} of yours are running: {', '.join(running)}", "gaol ls")
    return str(running[0])


def _down_all(force: bool, as_json: bool) -> int:
    """Side by side, since each may take as long as its programs take to end. One that can't be stopped keeps none running."""
    from concurrent.futures import ThreadPoolExecutor

    from gaoler.errors import GaolerError, NotFound

    def stop(machine: dict[str, Any]) -> dict[str, Any] | str | None:
        try:
            with Gaoler() as gaoler:
                return gaoler.down(machine["name"], force, machine["owner"])
        except NotFound:  # a throw-away one that has ended meanwhile
            return None
        except GaolerError as error:
            return f"{machine['owner']}/{machine['name']}: {error}"

    with Gaoler() as gaoler:
        running = _running(gaoler)
    with ThreadPoolExecutor(max_workers=16) as pool:
        done = list(pool.map(stop, running))
    stopped = [machine for machine in done if isinstance(machine, dict)]
    if as_json:
        show_json(stopped)
    else:
        for machine in stopped:
            print(clean(f"{machine['owner']}/{machine['name']}"))
    problems = [text for text in done if isinstance(text, str)]
    told = {_key(machine) for machine, answer in zip(running, done, strict=True) if isinstance(answer, str)}
    meant = {(*_key(machine), machine["pid"]) for machine in running}
    with Gaoler() as gaoler:  # nothing is said to have stopped that runs
        left = [one for one in _running(gaoler) if (*_key(one), one["pid"]) in meant and _key(one) not in told]
    problems += [f"{'/'.join(_key(one))}: it runs on" for one in left]
    if problems:
        raise Failed(f"{len(problems)} machines could not be stopped", "\n".join(["", *problems]), "gaol ls --all")
    return 0


def _running(gaoler: Gaoler) -> list[dict[str, Any]]:
    return [machine for machine in gaoler.machines(True) if machine["state"] not in ("stopped", "failed", "asleep")]


def _key(machine: dict[str, Any]) -> tuple[str, str]:
    return machine["owner"], machine["name"]


def _rm(options: Any) -> int:
    if options.removed:
        return _drop(options)
    with Gaoler() as gaoler:
        doomed = [(name, gaoler.call("Inspect", name=name)["machine"]) for name in options.names]  # all there, or none goes
        if _asks(options):
            for _, machine in doomed:
                print(clean(f"{machine['name']}: {_holds(machine)}"))
            if not terminal.agrees("Delete it?" if len(doomed) == 1 else "Delete them?"):
                raise Failed("nothing was deleted", "you did not say yes", "gaol ls")
        for name, machine in doomed:
            gone = gaoler.call("Remove", force=options.force, now=options.now, name=name)
            back = f"; gaol restore --removed {name} brings it back until"
            until = f"{back} {show_time(gone['until'])}" if gone.get("until") else ""
            print(clean(f"deleted {name}: {_holds(machine)}{until}"))
    return 0


def _drop(options: Any) -> int:
    """What was deleted goes for good."""
    if options.now:
        raise Usage("--now can't be combined with --removed", "what was deleted goes for good at once", "gaol rm --help")
    if _asks(options) and not terminal.agrees(clean(f"Delete {', '.join(options.names)} for good?")):
        raise Failed("nothing was deleted", "you did not say yes", "gaol ls --removed")
    with Gaoler() as gaoler:
        for name in options.names:
            gaoler.call("RemovedDrop", name=name)
            print(clean(f"{name} is gone for good"))
    return 0


def _asks(options: Any) -> bool:
    return not (options.yes or options.force) and terminal.can_ask()


def _holds(machine: dict[str, Any]) -> str:
    """What goes with a machine: files that were written in it, snapshots; and its age."""
    import time

    written = machine["disk_used"]
    snapshots = machine["snapshots"]
    parts = [
        f"{show_size(written)} of files" if written is not None else "its files",
        *([f"{len(snapshots)} snapshot{'s' if len(snapshots) > 1 else ''} ({', '.join(snapshots[:4])})"] if snapshots else []),
        f"made {show_duration(time.time() - machine['created'])} ago",
    ]
    return ", ".join(parts)


_AT_ONCE = flag("--force", "-f", about="at once, without waiting for its programs to end")

COMMANDS = {
    "up": Command(
        _up,
        "Make a machine unless there is one of that name, start it, and wait until it is ready. Prints its name and address. "
        "The options shape a new machine; one that is there starts as it is, and gaol set changes it. With --from a file "
        "says what it is to be, and what is to be installed and set up in it; again, it makes it what the file says now.",
        MAYBE_MACHINE,
        *MACHINE_OPTIONS,
        *KEPT_OPTIONS,
        option("--from", value="FILE", about="as a file says: base, memory, packages, files, a setup script", key="source"),
        flag("--desktop", about="start its desktop, too; gaol desktop also makes machines for it"),
        JSON,
        examples=(
            ("gaol up web", ""),
            ("gaol up big --memory 2G --cpus 2", ""),
            ("gaol up lab1 --base databases", "from a base that a teacher has published"),
            ("gaol up --from gaol.toml", "as the file says that a project keeps in git"),
        ),
    ),
    "wait": Command(
        _wait,
        "Wait until a machine is ready or has stopped.",
        MACHINE,
        option("--for", value="STATE", choices=("ready", "stopped"), about="what to wait for", needed=True, key="until"),
        option("--timeout", value="DURATION", about="give up after this long, for instance 30s"),
        JSON,
        examples=(("gaol wait web --for stopped", ""),),
    ),
    "down": Command(
        _down,
        "Stop machines. Their files stay; gaol up starts one again.",
        place("NAME", "the machines (default: the only one of yours that is running)", optional=True, many=True, key="names"),
        flag("--all", about="every running machine, whoever owns it (administrator)"),
        _AT_ONCE,
        JSON,
        examples=(("gaol down web", ""),),
    ),
    "sleep": Command(
        _sleep,
        "Put machines to sleep: what runs in them is kept on disk, and they take no memory and no processor time. They go on "
        "where they were when they are used: by gaol up, exec, shell, ssh, cp, or a connection to their address. gaol down ends "
        "what sleeps.",
        MACHINES,
        JSON,
        examples=(("gaol sleep web db", ""),),
    ),
    "freeze": Command(
        _freeze,
        "Have machines stand still, with all that runs in them, until gaol thaw, gaol up or gaol down. They keep their memory "
        "and take no processor time.",
        MACHINES,
        JSON,
        examples=(("gaol freeze web db", ""),),
    ),
    "thaw": Command(
        _thaw,
        "Let frozen machines go on where they stood still.",
        MACHINES,
        JSON,
        examples=(("gaol thaw web db", ""),),
    ),
    "rm": Command(
        _rm,
        "Stop machines and delete them, with their files and their snapshots. Your home directory is not touched. On a terminal "
        "it says what would be lost, and asks first. For a while gaol restore --removed brings them back, unless room is short: "
        "until then their files count as yours.",
        MACHINES,
        flag("--now", about="for good, at once"),
        flag("--removed", about="machines that were deleted before: for good now"),
        flag("--yes", "-y", about="don't ask"),
        flag("--force", "-f", about="at once, without waiting for its programs to end, and without asking"),
        examples=(("gaol rm web", ""), ("gaol rm --now web", "its room is needed")),
    ),
}
