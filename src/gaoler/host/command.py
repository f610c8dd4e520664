"""The only place that runs commands."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from gaoler.errors import Failed
from gaoler.host.programs import package


def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,  # noqa: A002 - named as in subprocess
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    cwd: Path | None = None,
) -> CompletedProcess[str]:
    """Run a command to its end and return what it wrote.

    `timeout` is in seconds. Raises Failed when the program is missing, can't be executed, takes too long or exits
    with anything but 0; the error shows the command as a line to paste and keeps what it wrote to stderr.
    """
    shown = shlex.join(argv)
    try:
        done = subprocess.run(
            argv,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            env=env,
            timeout=timeout,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        if error.filename != argv[0]:  # the working directory is missing, not the program
            raise Failed(f"can't run {shown}", str(error), "gaol doctor") from error
        raise Failed(f"can't run {shown}", f"{argv[0]} is not installed", f"apt install {package(argv[0])}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{shown} took more than {timeout:g} s", _text(error.stderr).strip(), "gaol doctor") from error
    except OSError as error:
        raise Failed(f"can't run {shown}", error.strerror or str(error), "gaol doctor") from error
    result = CompletedProcess(list(argv), done.returncode, _text(done.stdout), _text(done.stderr))
    if result.returncode != 0:
        raise Failed(f"{shown} {_ending(result.returncode)}", result.stderr.strip() or result.stdout.strip(), "gaol doctor")
    return result


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")
