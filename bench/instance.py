"""The gaoler that is measured: the `gaol` in PATH (or $GAOL), at the daemon behind $GAOLER_SOCKET."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import contest


class Instance:
    def __init__(self) -> None:
        command = os.environ.get("GAOL") or shutil.which("gaol")
        if command is None:
            _missing("there is no gaol in PATH", "sudo make up, or GAOL=/path/to/gaol")
        self.command = str(command)
        done = subprocess.run([self.command, "store", "info", "--json"], capture_output=True, text=True, check=False)
        if done.returncode:
            _missing("the gaoler daemon doesn't say where its store is (as root it would)", done.stderr.strip())
        self.store = Path(json.loads(done.stdout)["path"])

    def argv(self, *words: str) -> list[str]:
        return [self.command, *words]

    def __call__(self, *words: str) -> str:
        """Run `gaol WORDS...` and return what it prints."""
        done = subprocess.run(self.argv(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            _missing(f"gaol {' '.join(words)} exits with {done.returncode}", done.stderr.strip())
        return done.stdout

    def info(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("info", name, "--json"))
        return found

    def base(self) -> Path:
        """The tree that machines are cloned from by default."""
        trees = [entry["name"] for entry in json.loads(self("base", "ls", "--json"))]
        if "debian" not in trees:
            _missing("there is no base debian", "gaol base add debian")
        return self.store / "debian"

    def kernel(self) -> Path:
        """The newest kernel's program."""
        kernels = json.loads(self("kernel", "ls", "--json"))
        if not kernels:
            _missing("there is no kernel", "gaol kernel build")
        return self.store / "kernels" / f"{kernels[0]['version']}-{kernels[0]['hash']}" / "linux"


def name() -> str:
    """A machine's name that nobody has."""
    return f"bench-{secrets.token_hex(3)}"


def _missing(what: str, hint: str) -> NoReturn:
    contest.give_up(what, hint)
    raise AssertionError
