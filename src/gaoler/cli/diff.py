"""diff, rebase: what has changed in a machine's files, and the same on a newer generation of its base."""

from __future__ import annotations

import sys

from gaoler.cli.arguments import JSON, MACHINE, Command, flag, place
from gaoler.cli.output import Progress, clean, show, show_table
from gaoler.client import Gaoler
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _diff(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        found = gaoler.call(
            "Diff", progress if sys.stderr.isatty() else None, name=options.name, tag=options.tag, patch=options.patch
        )
    if "note" in found:
        print(f"gaol: {clean(found['note'])}", file=sys.stderr)
    return show(found, as_json=options.json, text=lambda: _patch(found) if options.patch else _list(options.name, found))


def _patch(found: dict[str, Any]) -> None:
    text = found.get("patch", "")
    # For a terminal it is made safe; patch(1) gets it as it is.
    print(clean(text, keep="\n\t") if sys.stdout.isatty() else text, end="")


def _list(name: str, found: dict[str, Any]) -> None:
    entries = found["differences"]
    if not entries:
        print(clean(f"nothing has changed in {name} since {found['against']}"))
        return
    show_table(["", "SIZE", "WAS", "PATH"], [[_SIGNS[one["change"]], *_sizes(one), _named(one)] for one in entries])
    counted = ", ".join(f"{number} {change}" for change in _SIGNS if (number := sum(one["change"] == change for one in entries)))
    more = f", and {found['left_out']} more" if found["left_out"] else ""
    print()
    print(clean(f"{counted}{more} since {found['against']}"))


def _sizes(one: dict[str, Any]) -> list[str]:
    return ["" if value is None else show_size(value) for value in (one["size"], one["was"])]


def _named(one: dict[str, Any]) -> str:
    """`/etc/`, and in brackets what it is where that is not plain, or what has changed where that is not its content."""
    path = one["path"] + ("/" if one["kind"] == "directory" else "")
    told = [one["kind"]] if one["kind"] not in ("file", "directory") else []
    if one["how"] not in ([], ["content"]):
        told.append(", ".join(one["how"]))
    return f"{path} ({'; '.join(told)})" if told else path


def _rebase(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call("Rebase", progress if sys.stderr.isatty() else None, name=options.name)
    machine = reply["machine"]
    name, base = machine["name"], f"{machine['base']} {machine['generation']}"
    told = f"{name} stands on {base}; gaol restore {name} {reply['tag']} goes back"
    return show(machine, as_json=options.json, text=lambda: print(clean(told)))


COMMANDS = {
    "rebase": Command(
        _rebase,
        "Move a stopped machine over to the newest generation of its base, with what you have changed in it. A snapshot of what "
        "it was is kept. Refused, with their names, where files have changed in both; what programs write by themselves, such "
        "as logs, is not counted.",
        MACHINE,
        JSON,
        examples=(("gaol rebase web", ""),),
    ),
    "diff": Command(
        _diff,
        "Show what has changed in a machine's files since it was cloned from its base, or since a snapshot: + is new, - is gone, "
        "~ has changed. Your home directory is not looked at.",
        MACHINE,
        place("TAG", "the snapshot to compare with (default: the base)", optional=True),
        flag("--patch", "-p", about="print how text files differ, as diff -u does"),
        JSON,
        examples=(
            ("gaol diff web", ""),
            ("gaol diff web before-upgrade", ""),
            ("gaol diff web --patch > my-changes.patch", "configuration files, to keep with the project"),
        ),
    ),
}
