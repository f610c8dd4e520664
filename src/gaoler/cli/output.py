"""How things look: tables, JSON, errors. All that comes from elsewhere is made safe for a terminal here."""

from __future__ import annotations

import sys

from gaoler.errors import GaolerError
from gaoler.installation import here
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Columns: TypeAlias = dict[str, Callable[[Any], object]]


def clean(text: object, *, keep: str = "") -> str:
    """Text without control characters: no escape sequence of a machine's reaches the terminal that shows it."""
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def complain(error: GaolerError) -> None:
    """`gaol: WHAT: WHY`, and what to try."""
    # What a program said over several lines stays so, indented: none of it can pass for a line of ours.
    first, *more = str(error).splitlines() or [""]
    for line in (f"gaol: {clean(first.rstrip())}", *(f"    {clean(line.strip())}" for line in more)):
        print(line, file=sys.stderr)
    if error.hint:
        print(f"try: {clean(here(error.hint))}", file=sys.stderr)


def show_json(data: Any) -> None:
    import json

    print(json.dumps(data, indent=2))


def show(data: Any, *, as_json: bool, text: Callable[[], None] | None = None) -> int:
    """What a command has to tell: as JSON where that was asked for, else what `text` prints. The exit code is 0."""
    if as_json:
        show_json(data)
    elif text:
        text()
    return 0


def show_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell."""
    lines = [list(headings), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_columns(rows: Sequence[dict[str, Any]], columns: Columns) -> None:
    """A table in which a column is named after the key that it shows, and says how."""
    show_table([name.upper() for name in columns], [[shown(row[name]) for name, shown in columns.items()] for row in rows])


def show_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"{name:<{width}}  {clean(value)}")


class Progress:
    """The steps of a long operation: one live line on a terminal, a line a step elsewhere."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.last = ""

    def __call__(self, reply: dict[str, Any]) -> None:
        step = clean(reply.get("step", ""))
        done, total = reply.get("done"), reply.get("total")
        amount = share = ""
        if isinstance(done, int):
            amount = f" {show_size(done)}" if reply.get("unit") == "bytes" and done else ""
            share = f" {100 * done // total}%" if isinstance(total, int) and total else ""
        if self.live:
            print(f"\r\x1b[K{step}{amount}{share}", end="", file=sys.stderr, flush=True)
        elif step != self.last:
            print(step, file=sys.stderr, flush=True)
        self.last = step

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live and self.last:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def show_time(value: float | None) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value)) if value else "-"
