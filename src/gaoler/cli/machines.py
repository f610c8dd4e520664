"""up, down, rm, wait: a machine's life."""

from __future__ import annotations

from gaoler.cli.arguments import (
    JSON,
    KEPT_OPTIONS,
    MACHINE,
    MACHINE_OPTIONS,
    MAYBE_MACHINE,
    Command,
    flag,
    option,
    spec_of,
)
from gaoler.cli.output import Progress, clean, show, show_json
from gaoler.client import Gaoler
from gaoler.errors import Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def _up(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        machine = gaoler.call("Up", progress, spec=spec_of(options), name=options.name)["machine"]
    return show(machine, as_json=options.json, text=lambda: _tell_up(machine))


def _tell_up(machine: dict[str, Any]) -> None:
    import sys

    name = clean(machine["name"])
    print(clean(f"{name}  {machine['address'] or machine['address6'] or '-'}"))
    if machine["missing"]:
        print(f"gaol: {name} is up, but something is missing: {clean(', '.join(machine['missing']))}", file=sys.stderr)
        print(f"try: gaol log {name}", file=sys.stderr)


def _wait(options: Any) -> int:
    from gaoler.units import duration

    timeout = float(duration(options.timeout)) if options.timeout else None
    with Gaoler() as gaoler:
        machine = gaoler.call("Wait", until=options.until, timeout=timeout, name=options.name)["machine"]
    return show(machine, as_json=options.json)


def _down(options: Any) -> int:
    if bool(options.name) == options.all:
        raise Usage("which machine?", "name one, or --all for all that run", "gaol ls")
    if options.all:
        return _down_all(options.force, options.json)
    with Gaoler() as gaoler:
        machine = gaoler.call("Down", force=options.force, name=options.name)["machine"]
    return show(machine, as_json=options.json)


def _down_all(force: bool, as_json: bool) -> int:
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
        running = [machine for machine in gaoler.machines(True) if machine["state"] not in ("stopped", "failed")]
    with ThreadPoolExecutor(max_workers=16) as pool:
        done = list(pool.map(stop, running))
    stopped = [machine for machine in done if isinstance(machine, dict)]
    if as_json:
        show_json(stopped)
    else:
        for machine in stopped:
            print(clean(f"{machine['owner']}/{machine['name']}"))
    problems = [text for text in done if isinstance(text, str)]
    if problems:
        raise Failed(f"{len(problems)} machines could not be stopped", problems[0], "gaol ls --all")
    return 0


def _rm(options: Any) -> int:
    with Gaoler() as gaoler:
        gaoler.call("Remove", force=options.force, name=options.name)
    return 0


_AT_ONCE = flag("--force", "-f", about="at once, without letting its programs end")

COMMANDS = {
    "up": Command(
        _up,
        "Make a machine if there is none of that name, start it, and wait until it is ready. Prints its name and address. "
        "A machine keeps what it was made with: the options are for one that is made now.",
        MAYBE_MACHINE,
        *MACHINE_OPTIONS,
        *KEPT_OPTIONS,
        JSON,
        examples=(
            ("gaol up web", ""),
            ("gaol up big --memory 2G --cpus 2", ""),
            ("gaol up lab1 --base databases", "from a base that a teacher has published"),
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
        "Stop a machine. Its files stay, and gaol up starts it again.",
        MAYBE_MACHINE,
        flag("--all", about="all machines of everybody that run (administrator)"),
        _AT_ONCE,
        JSON,
        examples=(("gaol down web", ""),),
    ),
    "rm": Command(
        _rm,
        "Stop a machine and delete it, with its files and its snapshots. Your home directory is not touched.",
        MACHINE,
        _AT_ONCE,
        examples=(("gaol rm web", ""),),
    ),
}
