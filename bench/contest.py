"""Contestants measured in turns, so that a busy moment of the host hits all of them alike, and the table of what came out."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Contestant:
    name: str
    once: Callable[[], float | None]
    """Does it once and returns what it took, in milliseconds; `timed` makes one of a command."""
    note: str = ""
    times: list[float] = field(default_factory=list)


def take_turns(contestants: Sequence[Contestant], rounds: int) -> None:
    """Each once, then each again, `rounds` times; the first round, which fills caches, is not counted."""
    for turn in range(rounds + 1):
        for contestant in contestants:
            took = contestant.once()
            if turn and took is not None:
                contestant.times.append(took)
        tell(f"round {turn} of {rounds}")
    tell("")


def timed(argv: Sequence[str]) -> Callable[[], float]:
    """A command, from its start to its end. A command that fails ends the measurement: its time would mean nothing."""

    def once() -> float:
        started = time.perf_counter()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        took = (time.perf_counter() - started) * 1000
        if done.returncode:
            give_up(f"{' '.join(argv)} exits with {done.returncode}", done.stderr.strip()[-500:])
        return took

    return once


def show(title: str, contestants: Sequence[Contestant], unit: str = "ms") -> None:
    """Median, minimum and quartiles, and how many times the first contestant's median each median is."""
    first = statistics.median(contestants[0].times)
    rows = [("", "median", "min", "25%", "75%", "x", "")]
    for contestant in contestants:
        low, median, high = statistics.quantiles(contestant.times, n=4)
        numbers = (median, min(contestant.times), low, high)
        rows.append((contestant.name, *(f"{number:.1f}" for number in numbers), f"{median / first:.2f}", contestant.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title} ({unit}, {len(contestants[0].times)} rounds)")
    for row in rows:
        cells = (
            text.ljust(width) if at in (0, 6) else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def show_host() -> None:
    """When and where: figures without it can't be compared."""
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = "/".join(f"{number:.1f}" for number in os.getloadavg())
    print(
        f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC, Linux {platform.release()}, "
        f"{len(os.sched_getaffinity(0))} x {model[1] if model else platform.machine()}, load {load}"
    )


def tell(text: str) -> None:
    """Progress, for a person who looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def give_up(what: str, hint: str = "") -> None:
    """Say what is missing, or what went wrong, and end."""
    tell("")
    print(f"bench: {what}", file=sys.stderr)
    if hint:
        print(f"try: {hint}" if "\n" not in hint else hint, file=sys.stderr)
    sys.exit(1)
