"""`make lint`: Python, the guest's C, shell scripts, and the kernel's files and patches."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gaoler import places
from gaoler.errors import Failed
from gaoler.kernels import checkpatch
from gaoler.progress import Display
from gaoler.setup import steps
from gaoler.setup.checks import ENVIRONMENT, environment_step, run_tool

#: Where shell scripts are.
_SHELL = (".ci", "guest", "packaging", "kernel")

#: Of shellcheck's warnings, those that a script can't do without here, and why.
UNHEEDED = {
    "SC1007": "`IFS= read` and `found= stale=` are meant",
    "SC1090": "what is sourced is there in the machine alone",
    "SC1091": "the same",
    "SC2154": "variables come from /run/gaoler/machine, and from DHCP clients",
    "SC2093": "systemd or not is decided by what can be executed",
    "SC2174": "the parents are there",
}

#: gcc's analyzer takes what hangs on a static list for lost; leaks are found by the sanitizers that the guest's tests run with.
ANALYZED = ["-fanalyzer", "-Wno-analyzer-malloc-leak"]


def lint(cache: Path, display: Display) -> None:
    """Run all of them; raises Failed when one of them complains."""
    steps.run([environment_step(display)], display)
    complaints = []
    extra = {"PYTHONPATH": str(places.TREE / "src")}
    python: list[tuple[str, list[str]]] = [("ruff", ["check"]), ("mypy", []), ("lint-imports", ["--no-cache"])]
    shell = ("shellcheck", ["-S", "warning", "-e", ",".join(UNHEEDED), "-f", "gcc", *map(str, scripts())])
    for tool, words in (*python, shell):
        try:
            run_tool(tool, words, extra)
        except Failed as error:
            complaints.append(error.why)
    complaints += guest(display) + kernel(cache, display)
    if complaints:
        raise Failed("lint found something", "; ".join(complaints), "make lint")


def scripts() -> Iterator[Path]:
    """Shell scripts, known by their first line."""
    for place in _SHELL:
        for path in sorted((places.TREE / place).rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    first = file.readline(64)
                if first.startswith(b"#!") and first.split()[0].endswith(b"sh"):
                    yield path.relative_to(places.TREE)


def guest(display: Display) -> list[str]:
    """Warnings of the compiler about what runs inside machines."""
    if not shutil.which("gcc"):
        display.say("C: not looked at, since gcc is not installed")
        return []
    sources = sorted(str(path) for path in (places.GUEST / "src").glob("*.c"))
    words = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", *ANALYZED, "-c", "-o", os.devnull]
    statuses = {Path(source).name: subprocess.run([*words, source], check=False).returncode for source in sources}
    return [f"gcc complains of {name}" for name, status in statuses.items() if status]


def kernel(cache: Path, display: Display) -> list[str]:
    """What checkpatch.pl says; it comes with the kernel's source, which may not be at hand."""
    packages = cache / "packages"
    script = checkpatch.scripts(packages, ENVIRONMENT) if os.access(packages, os.R_OK) else None
    if script is None:
        display.say(f"kernel/files, kernel/patches: not looked at, since the kernel's source is not in {packages}")
        return []
    found = checkpatch.complaints(script)
    for line in found:
        display.say(line)
    return [f"checkpatch.pl has {len(found)} complaints"] if found else []
