"""The words of a command line: `--flag`, `--option VALUE` and names are read here, all else by argparse.

Importing argparse takes 8 ms, more than the rest of this program until its request is on the way.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    import argparse
    from typing import Any, NoReturn

    Argument = tuple[tuple[str, ...], dict[str, Any]]


class Options:
    """What was given, by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Parser:
    """Takes what argparse's parser takes, and asks it only for what `plain` does not understand. Raises Usage."""

    def __init__(self, command: str, description: str, **options: str) -> None:
        self._settings: dict[str, Any] = {"prog": f"gaol {command}", "description": description, "allow_abbrev": False, **options}
        self._arguments: list[Argument] = []
        self._full: argparse.ArgumentParser | None = None

    def add_argument(self, *names: str, **details: Any) -> None:
        self._arguments.append((names, details))
        if self._full:
            self._full.add_argument(*names, **details)

    def add_mutually_exclusive_group(self, **details: Any) -> Any:
        return self._argparse().add_mutually_exclusive_group(**details)

    def parse_args(self, words: list[str]) -> Any:
        values = None if self._full else plain(self._arguments, words)
        return self._argparse().parse_args(words) if values is None else Options(values)

    def error(self, message: str) -> NoReturn:
        """What argparse can't see is wrong."""
        self._argparse().error(message)

    def _argparse(self) -> argparse.ArgumentParser:
        if self._full is None:
            from gaoler.cli.full_parser import FullParser

            self._full = FullParser(**self._settings)
            for names, details in self._arguments:
                self._full.add_argument(*names, **details)
        return self._full


def plain(arguments: list[Argument], words: list[str]) -> dict[str, Any] | None:
    """The values, as argparse would give them; None for words, or arguments, that need argparse."""
    options: dict[str, tuple[str, dict[str, Any]]] = {}
    places: list[tuple[str, dict[str, Any]]] = []
    values: dict[str, Any] = {}
    lacking = set()
    for names, details in arguments:
        flag = details.get("action") == "store_true"
        if len(names) != 1 or details.get("action") not in (None, "store_true") or details.get("nargs") not in (None, "?"):
            return None
        name = names[0]
        key = details.get("dest") or name.lstrip("-").replace("-", "_")
        values[key] = details.get("default", False if flag else None)
        if name.startswith("-"):
            options[name] = key, details
        else:
            places.append((key, details))
        if details.get("required", not name.startswith("-") and details.get("nargs") is None):
            lacking.add(key)
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            if not places:
                return None
            (key, details), value = places.pop(0), word
        elif word in options:
            key, details = options[word]
            if details.get("action"):
                values[key] = True
                continue
            value = next(rest, "-")
        else:
            return None
        if value.startswith("-") or value not in details.get("choices", (value,)):
            return None
        try:
            values[key] = details.get("type", str)(value)
        except ValueError:
            return None
        lacking.discard(key)
    return None if lacking else values


def split_command(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before `--`, and the command after it (None without one)."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def add_name(parser: Parser, *, optional: bool = False) -> None:
    """The machine's NAME; `OWNER/NAME` is another user's, for administrators."""
    parser.add_argument("name", metavar="NAME", nargs="?" if optional else None)


def split_owner(name: str | None) -> dict[str, str | None]:
    """`alice/web` as owner and name."""
    owner, slash, rest = (name or "").partition("/")
    return {"owner": owner, "name": rest} if slash else {"owner": None, "name": name}


def add_spec(parser: Parser, *, whole: bool) -> None:
    """The options that say what a machine is to be."""
    parser.add_argument("--base", metavar="BASE", help="the tree it is cloned from")
    parser.add_argument("--memory", metavar="SIZE", help="for instance 512M or 2G")
    parser.add_argument("--kernel", metavar="KERNEL", help="one of gaol kernel ls")
    parser.add_argument("--no-network", action="store_true", help="no network, and no waiting for one")
    parser.add_argument("--no-home", action="store_true", help="without your home directory")
    parser.add_argument("--mode", choices=("seccomp", "ptrace"), help="how programs inside are held (ptrace: slower)")
    if whole:
        parser.add_argument("--cpus", metavar="N", help="processors' worth of time")
        parser.add_argument("--disk", metavar="SIZE", help="what its files may take")
        parser.add_argument("--ttl", metavar="DURATION", help="it is stopped after that, for instance 2h")
        parser.add_argument("--init", choices=("startenv", "systemd"), help="what starts its services")


def spec_of(options: Any) -> dict[str, object]:
    """Those options as a request's `spec`."""
    from gaoler.units import duration, number, size

    spec: dict[str, object] = {"home": not options.no_home, "network": not options.no_network}
    for name, convert in (("base", str), ("kernel", str), ("memory", size), ("cpus", number), ("disk", size),
                          ("ttl", duration), ("init", str), ("mode", str)):  # fmt: skip
        value = getattr(options, name, None)
        if value is not None:
            spec[name] = convert(value)
    return spec
