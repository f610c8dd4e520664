"""share, unshare: let another user into a machine."""

from __future__ import annotations

import time

from gaoler.cli import terminal
from gaoler.cli.arguments import JSON, MACHINE, Command, flag, option, place
from gaoler.cli.output import clean, show
from gaoler.client import Gaoler
from gaoler.errors import Failed, GaolerError, Usage
from gaoler.units import duration

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def _share(options: Any) -> int:
    end = moment(options.until, time.time()) if options.until else None
    with Gaoler() as gaoler:
        home = options.with_home or (terminal.can_ask() and _with_home(gaoler, options))
        reply = gaoler.call("Share", name=options.name, user=options.user, access=options.access, ends=end, home=home)
    machine = reply["machine"]
    return show(machine, as_json=options.json, text=lambda: _tell(machine, options))


def _with_home(gaoler: Gaoler, options: Any) -> bool:
    """Ask whoever shares a machine with their home directory in it. Raises Failed where they say no."""
    if not gaoler.call("Inspect", name=options.name)["machine"]["home"]:
        return False
    print(clean(f"Your home directory is in {options.name}: {options.user} can read and change there what you can."))
    if not terminal.agrees("Share it all the same?"):
        raise Failed("nothing was shared", "you did not say yes", f"gaol set {options.name} home=off")
    return True


def _tell(machine: dict[str, Any], options: Any) -> None:
    who = "root" if options.access == "root" else f"user {options.user}"
    until = next((share["until"] for share in machine["shares"] if share["user"] == options.user), None)
    end = f", until {time.strftime('%a %d %b %Y %H:%M', time.localtime(until))}" if until else ""
    print(clean(f"{options.user} may go into {machine['name']} as {who}{end}: gaol shell {machine['owner']}/{machine['name']}"))


def moment(text: str, now: float) -> float:
    """`2h` from now, or a date: 2026-12-24, with the time where that matters. Raises Usage."""
    for form in _FORMATS:
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    try:
        return now + duration(text)
    except GaolerError:
        why = "a share ends after a duration or on a date"
        raise Usage(f'"{text[:40]}" is not a time', why, "--until 2h, or --until 2026-12-24") from None


def _unshare(options: Any) -> int:
    with Gaoler() as gaoler:
        machine = gaoler.call("Unshare", name=options.name, user=options.user)["machine"]
    told = f"{options.user} may no longer go into {machine['name']}"
    return show(machine, as_json=options.json, text=lambda: print(clean(told)))


COMMANDS = {
    "share": Command(
        _share,
        "Let another user of this host into a machine: they see it in gaol ls as OWNER/NAME, and may run commands in it (shell, "
        "exec) and copy files (cp), nothing else. Where your home directory is in the machine it asks first, since whoever is "
        "in it may get at your files.",
        MACHINE,
        place("USER", "the user to let in"),
        option("--as", value="WHOM", choices=("root", "user"), about="as root or as a user", default="root", key="access"),
        option("--until", value="WHEN", about="until then: a duration such as 2h, or a date such as 2026-12-24"),
        flag("--with-home", about="even though your home directory is in it, without asking"),
        JSON,
        examples=(("gaol share web bob", ""), ("gaol share web bob --as user --until 3d", "")),
    ),
    "unshare": Command(
        _unshare,
        "Stop letting a user into a machine. Their sessions end; what they left running inside stays.",
        MACHINE,
        place("USER", "the user"),
        JSON,
        examples=(("gaol unshare web bob", ""),),
    ),
}  # fmt: skip
