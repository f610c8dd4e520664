"""Runs a long program and hands over what it says line by line, so that its progress can be shown."""

from __future__ import annotations

import collections
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gaoler.errors import Failed

#: Lines of a failed program's output that go into the error.
TAIL = 15

#: In a program's words: the number of a further descriptor that leads where its output goes.
OUTPUT = "OUTPUT-DESCRIPTOR"


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    what: str,
    hint: str = "",
    telling: re.Pattern[str] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Gives each line of output and errors to `on_line`; raises Failed with `what` and the last lines.

    `OUTPUT` in a word of `argv` is the number of a descriptor of its own for what a program tells beside its output.
    Where many things run side by side, the last lines are others' words: those that match `telling` are shown then, if any do.
    The environment is `plain_environment()` unless given. When `on_line` raises (Ctrl-C too), the program is ended.
    """
    tail: collections.deque[str] = collections.deque(maxlen=TAIL)
    told: list[str] = []
    reading, writing = os.pipe()
    named = any(OUTPUT in word for word in argv)
    argv = [word.replace(OUTPUT, str(writing)) for word in argv]
    with open(reading, encoding="utf-8", errors="replace") as output:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=plain_environment() if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=[writing] if named else [],
            )
        except FileNotFoundError as error:
            raise Failed(what, f"{argv[0]} is not installed", "sudo make up  (installs the components)") from error
        finally:
            os.close(writing)
        with process:
            try:
                for line in output:
                    tail.append(line.rstrip("\n"))
                    if telling and telling.search(line) and len(told) < TAIL:
                        told.append(tail[-1])
                    on_line(tail[-1])
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        ended = f"was killed by signal {-process.returncode}" if process.returncode < 0 else f"ended with {process.returncode}"
        said = "".join(f"\n    {line}" for line in told or tail)
        raise Failed(what, f"`{shlex.join(argv)}` {ended}{said}", hint)


def plain_environment() -> dict[str, str]:
    """The caller's environment (proxies, certificates) without what would change a build or the words of its output.

    A `make` above would hand down its flags and variables; PATH may hold other tools than the distribution's.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "KBUILD", "PYTHON"))}
    return {**kept, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
