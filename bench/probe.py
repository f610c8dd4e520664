"""The static program of probe.c, built once a run, and brought into machines."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from pathlib import Path

import contest
from instance import Instance

INSIDE = "/tmp/probe"


def build(directory: Path) -> Path:
    if shutil.which("gcc") is None:
        contest.give_up("there is no gcc to build probe.c with", "apt install gcc libc6-dev")
    program = directory / "probe"
    subprocess.run(["gcc", "-O2", "-static", "-o", program, Path(__file__).with_name("probe.c")], check=True)
    return program


def bring(gaol: Instance, machine: str, program: Path) -> None:
    """Put the program into a machine."""
    argv = gaol.argv("exec", machine, "--", "sh", "-c", f"cat > {INSIDE} && chmod 755 {INSIDE}")
    with program.open("rb") as file:
        subprocess.run(argv, stdin=file, check=True)


def run(argv: list[str]) -> dict[str, float]:
    """Run it and return what it measured, by name."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        contest.give_up(f"{' '.join(argv)} exits with {done.returncode}", done.stderr.strip())
    return parsed(done.stdout)


def parsed(text: str) -> dict[str, float]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].replace(".", "", 1).isdigit()}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def show(title: str, columns: dict[str, dict[str, float]]) -> None:
    """A row for each measurement, a column for each contestant, and how many times the last one's value the first's is."""
    names = list(next(iter(columns.values())))
    first, *_, last = columns.values()
    rows = [["", *columns, "x"]]
    rows += [[name, *(f"{values[name]:.2f}" for values in columns.values()), f"{first[name] / last[name]:.2f}"] for name in names]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        print(
            "  ".join(
                text.rjust(width) if at else text.ljust(width) for at, (text, width) in enumerate(zip(row, widths, strict=True))
            )
        )
