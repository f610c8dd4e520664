"""doctor: what this host has and lacks. Asks the daemon; where it does not answer, checks by itself."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from gaoler.cli.arguments import JSON, Command
from gaoler.cli.output import clean, show
from gaoler.cli.programs import gaoler_program
from gaoler.client import Gaoler, how_to_start
from gaoler.errors import Unreachable
from gaoler.installation import here


def _doctor(options: Any) -> int:
    try:
        with Gaoler() as gaoler:
            checks = gaoler.call("Doctor")["checks"]
    except Unreachable as error:
        checks = [{"name": "daemon", "good": False, "found": str(error), "hint": f"as root: {how_to_start()}"}]
        if os.geteuid() == 0:  # nobody else may look at what the daemon looks at, and would find all of it missing
            checks += _own_checks()
    show(checks, as_json=options.json, text=lambda: _tell(checks))
    return 0 if all(check["good"] for check in checks) else 1


def _tell(checks: list[dict[str, Any]]) -> None:
    for check in checks:
        print(clean(f"{'ok ' if check['good'] else 'BAD'} {check['name']:<12} {check['found']}"))
        if not check["good"] and check["hint"]:
            print(clean(f"    try: {here(check['hint'])}"))


def _own_checks() -> list[dict[str, object]]:
    try:
        done = subprocess.run([gaoler_program(), "--doctor"], capture_output=True, text=True, check=False)
    except OSError:
        done = None
    try:
        checks: list[dict[str, object]] = json.loads(done.stdout) if done else []
        return checks or [_program()]
    except ValueError:
        said, _, hint = str(done and done.stderr).strip().partition("\ntry: ")  # a mistake in the configuration, with its line
        return [{"name": "gaoler", "good": False, "found": said.removeprefix("gaoler: "), "hint": hint}]


def _program() -> dict[str, object]:
    hint = "sudo make up, in gaoler's checkout"
    return {"name": "gaoler", "good": False, "found": "the daemon's program can't be run", "hint": hint}


COMMANDS = {"doctor": Command(_doctor, "Check this host, and say what is missing and how to fix it.", JSON)}
