"""Commands of a noun and a verb (`gaol base ls`), and the verbs that nouns have in common."""

from __future__ import annotations

import time

from gaoler.cli.arguments import Parser
from gaoler.cli.output import show_json, show_table
from gaoler.client import Gaoler
from gaoler.errors import Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Verb: TypeAlias = tuple[Callable[[list[str]], int], str]
    """What does it, and what it does."""


def run(noun: str, verbs: Mapping[str, Verb], arguments: list[str]) -> int:
    if not arguments or arguments[0] not in verbs:
        if arguments and arguments[0] in ("-h", "--help"):
            print(f"usage: gaol {noun} VERB ...\n")
            for verb, (_, text) in verbs.items():
                print(f"  {verb:<10}{text}")
            print(f"\ngaol {noun} VERB --help says more.")
            return 0
        raise Usage(f"gaol {noun} does one of: {', '.join(verbs)}", "", f"gaol {noun} --help")
    return verbs[arguments[0]][0](arguments[1:])


def listing(
    title: str,
    description: str,
    method: str,
    key: str,
    arguments: list[str],
    columns: dict[str, Any],
    row: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> int:
    """A table of what a method returns under `key`; a column is named after its value, and says how to show it.

    `row` makes of one of them what the table shows.
    """
    parser = Parser(title, description)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        found = gaoler.call(method)[key]
    if options.json:
        show_json(found)
    else:
        show_rows([row(one) for one in found], columns)
    return 0


def show_rows(rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    show_table([name.upper() for name in columns], [[show(row[name]) for name, show in columns.items()] for row in rows])


def removal(what: str, method: str, arguments: list[str], description: str) -> int:
    parser = Parser(f"{what} rm", description)
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        gaoler.call(method, name=options.name)
    return 0


def or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def show_time(value: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value)) if value else "-"
