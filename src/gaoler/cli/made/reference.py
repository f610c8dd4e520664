"""docs/reference/commands.md."""

from __future__ import annotations

from gaoler.cli import help_text
from gaoler.cli.made import ENVIRONMENT, EXIT_CODES, groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from gaoler.cli.arguments import Command

_HEAD = """# Commands

Everything that `gaol` does. `gaol COMMAND --help` says the same, and so does `man gaol`. NAME is a machine of yours; an
administrator names another user's as OWNER/NAME. With `--json`, what a command shows is printed as JSON, for programs. Errors
go to standard error: what happened, why, and after `try:` what can be done about it. This page is made from the code.
"""


def page() -> str:
    parts = [_HEAD]
    for heading, commands in groups().items():
        parts.append(f"\n## {heading}\n")
        parts += [_command(name, command) for name, command in commands.items()]
    parts += ["\n## Exit codes\n\n", *_table(("code", "means"), EXIT_CODES)]
    parts += ["\n## Environment\n\n", *_table(("variable", "names"), ENVIRONMENT)]
    return "".join(parts)


def _command(name: str, command: Command) -> str:
    lines = [f"\n### gaol {name}\n", f"\n    {help_text.usage(name, command)}\n", f"\n{command.about}\n"]
    shown = [
        (f"`{help_text.spelled(one) if one.names else one.value}`", help_text.described(one))
        for one in command.arguments
        if one.about
    ]
    if shown:
        lines += ["\n", *_table(("", ""), shown)]
    if command.examples:
        lines += ["\n", *(f"    {line}\n" for line in help_text.examples(command))]
    return "".join(lines)


def _table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> list[str]:
    def line(left: str, right: str) -> str:
        return f"| {left} | {right} |\n" if left else "| | |\n"

    return [line(*heads), "| --- | --- |\n", *(line(left.replace("|", "\\|"), right.replace("|", "\\|")) for left, right in rows)]
