"""The language of manual pages, man(7), as far as ours need it."""

from __future__ import annotations

TYPE_CHECKING = False  # the command line's documents are made without typing, too
if TYPE_CHECKING:
    from collections.abc import Iterable


def escape(text: str) -> str:
    """Text that troff prints as it stands: no line of it is a request, and its dashes can be copied into a shell."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in safe.splitlines())


def bold(text: str) -> str:
    return f"\\fB{escape(text)}\\fR"


def title(name: str, section: int, program: str) -> str:
    return f'.TH {name.upper()} {section} "" "{escape(program)}"'


def heading(text: str) -> str:
    return f".SH {escape(text.upper())}"


def part(text: str) -> str:
    return f'.SS "{escape(text)}"'


def paragraph(text: str) -> str:
    return f".PP\n{escape(text)}"


def item(what: str, text: str) -> str:
    """A tagged paragraph."""
    return f".TP\n{bold(what)}\n{escape(text)}"


def example(lines: Iterable[str]) -> str:
    return "\n".join([".PP", ".EX", *(f"    {escape(line)}" for line in lines), ".EE"])
