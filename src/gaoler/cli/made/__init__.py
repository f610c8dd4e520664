"""Documents and completions, made from what commands declare."""

from __future__ import annotations

from gaoler.cli import help_text
from gaoler.cli.commands import COMMANDS, GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gaoler.cli.arguments import Argument, Command

KINDS = {
    "NAME": "machines", "BASE": "bases", "KERNEL": "kernels", "TAG": "snapshots", "USER": "users",
    "SRC... DST": "files", "FILE": "files", "PATH": "files", "MASTER": "files",
}  # fmt: skip
"""What completes a value, by what help calls it. The first four are `gaol names`' kinds."""

EXIT_CODES = (
    ("0", "done"),
    ("1", "it failed"),
    ("2", "the command line makes no sense"),
    ("3", "no such machine, base or kernel"),
    ("4", "not allowed"),
    ("5", "a limit was reached"),
    ("6", "the daemon can't be reached"),
    ("125", "run and exec pass on the command's own code; this is theirs where gaoler failed"),
    ("126, 127", "run and exec: the command can't be run, or was not found"),
)
ENVIRONMENT = (
    ("GAOLER_SOCKET", "the daemon's socket, instead of /run/gaoler/gaoler.sock"),
    ("XDG_CACHE_HOME", "where gaol ssh keeps keys and host keys, instead of ~/.cache"),
)


def kind(one: Argument) -> str:
    """What completes a value: a kind, choices between commas, or nothing."""
    return ",".join(one.choices) if one.choices else KINDS.get(one.value, "")


def top() -> dict[str, str]:
    """The commands that may be the first word, each with what it does."""
    return {name: text for name, (_, text) in COMMANDS.items() if text and " " not in name}


def nouns() -> list[str]:
    return [name for name, (module, _) in COMMANDS.items() if not module]


def declared() -> dict[str, Command]:
    """Every command that runs."""
    return {name: help_text.command(name) for name, (module, text) in COMMANDS.items() if module and text}


def groups() -> dict[str, dict[str, Command]]:
    """The same under the headings of `gaol --help`."""
    commands = declared()
    return {heading: {name: commands[name] for name in group if name in commands} for heading, group in GROUPS.items() if heading}
