"""Programs that run on the host and in a bare machine: what native Linux answers is the right value of each case.

A program prints `case NAME: VALUE` lines. It's linked statically, so that a machine needs nothing but its kernel.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from system.support.kernel_machine import PROGRAMS, console_of

MODES = ("seccomp=on", "seccomp=off")
_SOURCES = PROGRAMS / "native"
_COMPILER = ("gcc", "-O1", "-Wall", "-Werror", "-pthread", f"-I{_SOURCES}")
_CASE = re.compile(r"^case ([^:]+): (.*)$", re.MULTILINE)


def build(name: str, directory: Path, how: str = "-static") -> Path:
    """The program of `native/NAME.c`, the same for the host and for machines."""
    program = directory / name
    subprocess.run([*_COMPILER, how, "-o", program, _SOURCES / f"{name}.c", "-lm"], check=True)
    return program


def cases_of(text: str) -> dict[str, str]:
    """Values by name, in the order printed."""
    return dict(_CASE.findall(text))


def native(program: Path) -> dict[str, str]:
    """What the host answers."""
    done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=120)
    return cases_of(done.stdout)


def inside(kernel: str, program: Path, directory: Path, *words: str) -> str:
    """The console of a machine that has run `program` to its end."""
    tree = directory / f"tree-{program.name}"
    archive = directory / f"{program.name}.cpio"
    if not archive.exists():
        (tree / "dev").mkdir(parents=True)
        (tree / "cases").mkdir()
        shutil.copy(program, tree / "cases")
        subprocess.run([*_COMPILER, "-static", "-o", tree / "init", _SOURCES / "native_init.c"], check=True)
        names = f"init\ndev\ncases\ncases/{program.name}\n"
        with archive.open("wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), stdout=out, check=True)
    console = console_of(kernel, archive, *words)
    assert f"program {program.name} ended with 0\n" in console, console
    return console


def differences(right: dict[str, str], console: str, but: dict[str, str] | None = None) -> str:
    """A table of what isn't as on the host, empty if all is; `but` has the cases that are known to differ, and how."""
    machine = cases_of(console)
    rows = [(name, (but or {}).get(name, value), machine.get(name, "nothing")) for name, value in right.items()]
    return "".join(f"\n{name}\n    right:  {value}\n    inside: {got}" for name, value, got in rows if value != got)


@pytest.fixture(params=MODES, name="mode")
def mode_fixture(request: pytest.FixtureRequest) -> str:
    """Each of the ways in which a machine can run its processes."""
    return str(request.param)
