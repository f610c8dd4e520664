"""What somebody meant who wrote a command that is none: a mistyped one, or another program's word for it."""

from __future__ import annotations

from difflib import get_close_matches
from shlex import join

from gaoler.cli.commands import COMMANDS, verbs
from gaoler.errors import Usage

_MEANT = {
    "start": "up", "create": "up", "new": "up", "launch": "up",
    "stop": "down", "halt": "down", "shutdown": "down",
    "restart": "down NAME, then gaol up NAME", "reboot": "down NAME, then gaol up NAME",
    "delete": "rm", "remove": "rm", "destroy": "rm",
    "list": "ls", "ps": "ls", "status": "info", "show": "info", "inspect": "info", "logs": "log", "images": "base ls",
    "console": "shell", "attach": "shell", "enter": "shell", "login": "shell",
    "copy": "cp", "rollback": "restore", "revert": "restore",
}  # fmt: skip
"""What other programs of this kind call things, where no likeness of letters would find it."""


def unknown(name: str, rest: list[str]) -> Usage:
    """The error for `gaol NAME REST...`, with what was meant where that can be told."""
    noun, _, verb = name.partition(" ")
    if verb and verbs(noun):
        near = next(iter(get_close_matches(verb, verbs(noun), 1)), "")
        hint = join(["gaol", noun, near, *rest]) if near else f"gaol {noun} --help"
        return Usage(f'gaol {noun} has no verb "{verb[:40]}"', f"it has {', '.join(verbs(noun))}", hint)
    near = _MEANT.get(name) or next(iter(get_close_matches(name, [one for one in COMMANDS if " " not in one], 1)), "--help")
    hint = f"gaol {near}"
    if rest and "NAME" in near:
        hint = hint.replace("NAME", rest[0])
    elif near != "--help":
        hint = join(["gaol", *near.split(), *rest])
    return Usage(f'no command "{name[:40]}"', "gaol --help lists them", hint)
