"""gaol(1)."""

from __future__ import annotations

from gaoler import __version__, roff
from gaoler.cli import help_text
from gaoler.cli.made import ENVIRONMENT, EXIT_CODES, groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gaoler.cli.arguments import Command

_ABOUT = """\
gaol makes, starts and stops Linux machines that are yours alone: a User-Mode Linux kernel each, with a copy-on-write copy of a
base as its files. You are root inside; your own home directory is there, as yourself.

The daemon that does the work is gaoler(8). A command that takes NAME works on your own machine of that name; an administrator
names another user's as OWNER/NAME. With --json, what a command shows is printed as JSON, for programs.

Errors say what happened, why, and after "try:" what can be done about it.
"""


def page() -> str:
    parts = [
        roff.title("gaol", 1, f"gaoler {__version__}"),
        roff.heading("Name"),
        "gaol \\- Linux machines of your own, in the time of a keystroke",
        roff.heading("Synopsis"),
        f"{roff.bold('gaol')} \\fICOMMAND\\fR ...",
        roff.heading("Description"),
        *(roff.paragraph(text) for text in _ABOUT.strip().split("\n\n")),
    ]
    for heading, commands in groups().items():
        parts.append(roff.heading(heading))
        parts += [line for name, command in commands.items() for line in _command(name, command)]
    parts += [
        roff.heading("Exit status"),
        *(roff.item(code, text) for code, text in EXIT_CODES),
        roff.heading("Environment"),
        *(roff.item(name, text) for name, text in ENVIRONMENT),
        roff.heading("See also"),
        f"{roff.bold('gaoler')}(8), {roff.bold('gaoler.toml')}(5), {roff.bold('ssh')}(1)",
    ]
    return "\n".join(parts) + "\n"


def _command(name: str, command: Command) -> list[str]:
    lines = [roff.part(help_text.usage(name, command)), roff.paragraph(command.about)]
    shown = [one for one in command.arguments if one.about]
    lines += [
        roff.item(help_text.spelled(one) if one.names else one.value, help_text.sentence(help_text.described(one)))
        for one in shown
    ]
    if command.examples:
        lines.append(roff.example(help_text.examples(command)))
    return lines
