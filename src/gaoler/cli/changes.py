"""set, extend, rename, give: machines changed after they were made."""

from __future__ import annotations

from shlex import quote

from gaoler.cli.arguments import JSON, MACHINE, Command, option, place
from gaoler.cli.output import clean, show
from gaoler.cli.ssh_files import forget
from gaoler.client import Gaoler
from gaoler.errors import Usage
from gaoler.units import number, show_duration, show_size, size, time_to_live

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _without_end(convert: Callable[[str], int]) -> Callable[[str], int]:
    return lambda text: 0 if text in ("never", "none", "unlimited", "0") else convert(text)


def switch(text: str) -> bool:
    if text not in ("on", "off", "yes", "no", "true", "false"):
        raise Usage(f'"{text[:40]}" is not on or off', "it is a switch", "on")
    return text in ("on", "yes", "true")


def show_setting(key: str, value: Any) -> str:
    """`1G`, `on`, `unlimited`: a setting's value as people write it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if key in ("disk", "ttl") and not value:
        return "unlimited"
    shown: dict[str, Callable[[Any], str]] = {"memory": show_size, "disk": show_size, "ttl": show_duration, "cpus": "{:g}".format}
    return shown.get(key, str)(value)


def converted(convert: Callable[[str], Any], value: str, setting: str) -> Any:
    """A value, read; `setting` is what is typed before it, for the hint. Raises Usage."""
    try:
        return convert(value)
    except Usage as error:
        error.hint = f"{setting}{error.hint}"
        raise


_KEYS: dict[str, Callable[[str], Any]] = {
    "memory": size,
    "cpus": number,
    "disk": _without_end(size),
    "ttl": _without_end(time_to_live),
    "kernel": str,
    "init": str,
    "mode": str,
    "home": switch,
    "network": switch,
    "autostart": switch,
}


def _set(options: Any) -> int:
    said = dict(_read(word, options.name) for word in options.settings)
    with Gaoler() as gaoler:
        reply = gaoler.call("Set", name=options.name, **said)
    return show(reply, as_json=options.json, text=lambda: _tell(options.name, said, reply["later"]))


def _read(word: str, name: str) -> tuple[str, Any]:
    key, equals, value = word.removeprefix("--").partition("=")
    if key not in _KEYS or not equals:
        what = f'"{word[:40]}" is not a setting' if equals else f'"{word[:40]}" has no value'
        raise Usage(what, f"a setting is KEY=VALUE; keys are {', '.join(_KEYS)}", f"gaol set {quote(name)} memory=1G")
    return key, converted(_KEYS[key], value, f"gaol set {quote(name)} {key}=")


def _tell(name: str, said: dict[str, Any], later: list[str]) -> None:
    now = [key for key in said if key not in later]
    if now:
        print(clean(f"{name}: {', '.join(now)} changed"))
    if later:
        print(clean(f"{name}: {', '.join(later)} will change at its next start: gaol down {name} && gaol up {name}"))


def _extend(options: Any) -> int:
    import time

    with Gaoler() as gaoler:
        more = converted(time_to_live, options.duration, f"gaol extend {quote(options.name)} ")
        machine = gaoler.call("Set", name=options.name, extend=more)["machine"]
    left = show_duration(machine["expires"] - time.time()) if machine["expires"] else ""
    told = f"{machine['name']} stops in {left}" if left else f"{machine['name']} may run longer from its next start on"
    return show(machine, as_json=options.json, text=lambda: print(clean(told)))


def _rename(options: Any) -> int:
    with Gaoler() as gaoler:
        machine = gaoler.call("Rename", name=options.name, new=options.new)["machine"]
    forget(options.name)
    return show(machine, as_json=options.json, text=lambda: print(clean(f"{options.name} is called {machine['name']} now")))


def _give(options: Any) -> int:
    with Gaoler() as gaoler:
        machine = gaoler.call("Give", name=options.name, to=options.user, new=options.new)["machine"]
    name = machine["name"]
    told = f"{options.name} is {machine['owner']}/{name} now, without a home: gaol set {name} home=on puts it in"
    return show(machine, as_json=options.json, text=lambda: print(clean(told)))


COMMANDS = {
    "set": Command(
        _set,
        "Change what a machine was made with. Processor time, disk, time to live and autostart change at once, the rest at its "
        "next start. Keys are memory, cpus, disk, ttl (never: no end), kernel, init, mode, home (on, off), network (on, off), "
        "autostart (on: it starts with this host, after a reboot or power cut).",
        MACHINE,
        place("KEY=VALUE", "what to change", many=True, key="settings"),
        JSON,
        examples=(
            ("gaol set web memory=1G", ""),
            ("gaol set web cpus=2 disk=20G ttl=never", ""),
            ("gaol set web autostart=yes", "it comes up when the host does"),
        ),
    ),
    "extend": Command(
        _extend,
        "Let a machine that has a time to live run longer.",
        MACHINE,
        place("DURATION", "how much longer, for instance 2h"),
        JSON,
        examples=(("gaol extend web 2h", ""),),
    ),
    "rename": Command(
        _rename,
        "Give a stopped machine another name.",
        MACHINE,
        place("NEW", "the new name"),
        JSON,
        examples=(("gaol rename web shop", ""),),
    ),
    "give": Command(
        _give,
        "Make a stopped machine another user's, with its files and snapshots (of files, not of memory). What is "
        "installed in it stays, and may be "
        "anything: their home directory is not put in until they say so, and the former owner's key is void.",
        place("NAME", "the machine, as OWNER/NAME; '#UID/NAME' where that account has gone", key="name"),
        place("USER", "whose it is to be"),
        option("--name", value="NEW", about="what it is called from then on", key="new"),
        JSON,
        examples=(("gaol give '#1998/web' alice", "a leaver's machine"), ("gaol give bob/db alice --name bobs-db", "")),
    ),
}
