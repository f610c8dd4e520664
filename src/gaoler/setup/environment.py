"""Python environments: the daemon's own, and one for developing and testing, both on Debian's /usr/bin/python3."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from pathlib import Path

from gaoler import places
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

PYTHON = "/usr/bin/python3"


def requirements(project: Path, *, extra: str = "") -> list[str]:
    """Pinned packages of pyproject.toml."""
    settings = tomllib.loads(project.read_text())["project"]
    wanted: list[str] = list(settings["dependencies"])
    if extra:
        wanted += settings["optional-dependencies"][extra]
    return wanted


def locked(name: str) -> list[str]:
    """What has pip install what a lock in packaging/ names and nothing else: each file by its digest, none that it builds."""
    return ["--require-hashes", "--only-binary=:all:", f"--requirement={places.PACKAGING / name}"]


def stamp(wanted: list[str]) -> str:
    """Changes with the packages, and with the minor version of Debian's Python, which an upgrade of Debian changes."""
    locks = [Path(word.partition("=")[2]).read_text() for word in wanted if word.startswith("--requirement=")]
    words = [word for word in wanted if not word.startswith("--requirement=")]  # wherever the checkout lies
    return hashlib.sha256(f"{sys.version_info[:2]} {sorted(words + locks)}".encode()).hexdigest()


def is_current(place: Path, wanted: list[str]) -> bool:
    try:
        return (place / "stamp").read_text() == stamp(wanted)
    except OSError:
        return False


def make(place: Path, wanted: list[str], report: Report) -> None:
    """Makes the environment anew with these packages; raises Failed with pip's last words."""
    (place / "stamp").unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    run([PYTHON, "-m", "venv", "--clear", str(place)], env=plain_environment())
    done = 0

    def on_line(line: str) -> None:
        nonlocal done
        if line.startswith("Collecting "):
            done += 1
            report(Progress("Python packages", done, None, "packages", line.split()[1]))

    stream(
        [str(place / "bin" / "python3"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *wanted],
        on_line,
        what="can't install Python packages",
        hint="check the network, or pip's settings (pip config list)",
    )
    (place / "stamp").write_text(stamp(wanted))
