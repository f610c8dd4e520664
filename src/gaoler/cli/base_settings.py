"""base set: what machines of a base get where whoever makes one says nothing."""

from __future__ import annotations

from shlex import quote

from gaoler.cli.arguments import JSON, Command, place
from gaoler.cli.changes import converted, show_setting, switch
from gaoler.cli.output import clean, show
from gaoler.client import Gaoler
from gaoler.errors import NotFound, Usage
from gaoler.units import number, size, time_to_live

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_KEYS: dict[str, Callable[[str], Any]] = {
    "memory": size,
    "cpus": number,
    "ttl": time_to_live,
    "home": switch,
    "network": switch,
    "welcome": str,
}
_LONGEST = 4000
"""Letters of a welcome."""


def _set(options: Any) -> int:
    said: dict[str, Any] = {}
    unset = []
    for word in options.settings:
        key, value = _read(word, options.name)
        if value == "" and key != "welcome":
            unset.append(key)
        else:
            said[key] = value
    with Gaoler() as gaoler:
        base = gaoler.call("BaseSet", name=options.name, unset=unset, **said)["base"]
    return show(base, as_json=options.json, text=lambda: print(clean(f"{base['name']}: {told(base) or 'as all machines'}")))


def _read(word: str, base: str) -> tuple[str, Any]:
    key, equals, value = word.removeprefix("--").partition("=")
    if key not in _KEYS or not equals:
        what = f'"{word[:40]}" is not a setting' if equals else f'"{word[:40]}" has no value'
        raise Usage(what, f"a setting is KEY=VALUE; keys are {', '.join(_KEYS)}", f"gaol base set {base} memory=1G")
    if key == "welcome" and value.startswith("@"):
        value = _text_of(value[1:])
    if key == "welcome" and len(value) > _LONGEST:
        raise Usage("the welcome is too long", f"more than {_LONGEST} letters", "gaol base set --help")
    return key, converted(_KEYS[key], value, f"gaol base set {quote(base)} {key}=") if value else ""


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST + 1).rstrip("\n")
    except OSError as error:
        raise NotFound(f"no file {path}", error.strerror or str(error), f"ls -l {quote(path)}") from None


def told(base: dict[str, Any]) -> str:
    """`memory 1G, home off`: what its machines get, in a line."""
    settings = base.get("defaults") or {}
    shown = [key for key in _KEYS if key != "welcome" and settings.get(key) is not None]
    parts = [f"{key} {show_setting(key, settings[key])}" for key in shown]
    return ", ".join([*parts, *(["a welcome"] if settings.get("welcome") else [])])


COMMANDS = {
    "base set": Command(
        _set,
        "Say what machines of a base get where whoever makes one says nothing: memory, cpus, ttl, home (on, off), network (on, "
        "off); and welcome, a text that each machine's owner sees in its first shell. Syncs leave them; KEY= takes one back.",
        place("BASE", "the base", key="name"),
        place("KEY=VALUE", "what to set; welcome=@FILE takes a text from a file", many=True, key="settings"),
        JSON,
        examples=(
            ("gaol base set databases memory=1G home=off", ""),
            ("gaol base set databases welcome='Tasks are in /srv/course.'", ""),
            ("gaol base set databases memory= welcome=", "as other machines again"),
        ),
    ),
}
