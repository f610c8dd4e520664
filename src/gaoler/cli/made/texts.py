"""All that people read: for whoever checks its language, or translates it. `python3 -m gaoler.cli.made.texts` prints it.

Help is in the declarations of the commands; errors are found in the sources, as the arguments of what is raised. What is
filled in at run time stands in braces.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gaoler.cli import help_text
from gaoler.cli.commands import COMMANDS
from gaoler.cli.made import declared

SOURCES = Path(__file__).resolve().parents[2]
KINDS = ("Failed", "Usage", "NotFound", "NotAllowed", "LimitReached", "Unreachable", "GaolerError")
_PARTS = ("what", "why", "hint")


class Told(NamedTuple):
    """An error as the source has it. A part that is not written there, but in a variable, is its name in braces."""

    place: str
    what: str
    why: str
    hint: str


def errors() -> Iterator[Told]:
    """Every error that the sources make."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                parts = dict(zip(_PARTS, node.args, strict=False)) | {one.arg: one.value for one in node.keywords if one.arg}
                if any(isinstance(one, ast.Starred) for one in node.args):
                    continue  # made of another error's parts
                said = (text(parts[part]) if part in parts else "" for part in _PARTS)
                yield Told(f"{path.relative_to(SOURCES)}:{node.lineno}", *said)


def text(node: ast.expr) -> str:
    """What an expression says, as far as the source tells."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else f"{{{_inner(part)}}}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text(node.left) + text(node.right)
    if isinstance(node, ast.IfExp):
        return " | ".join((text(node.body), text(node.orelse)))
    return f"{{{ast.unparse(node)}}}"


def _inner(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ast.unparse(part)


def helps() -> Iterator[tuple[str, str]]:
    """What help says: the command, and a text of it."""
    yield from ((name, line) for name, (_, line) in COMMANDS.items() if line)
    for name, command in declared().items():
        yield name, command.about
        yield from (
            (name, f"{help_text.spelled(one) if one.names else one.value}: {one.about}") for one in command.arguments if one.about
        )


def main() -> None:
    for name, line in helps():
        print(f"gaol {name}: {line}")
    for told in errors():
        print(
            f"{told.place}: {told.what}: {told.why}\n    try: {told.hint}"
            if told.hint
            else f"{told.place}: {told.what}: {told.why}"
        )


if __name__ == "__main__":
    main()
