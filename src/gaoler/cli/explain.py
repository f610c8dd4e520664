"""Why a command inside could not be run, or did not come to its end, and what to type instead."""

from __future__ import annotations

from shlex import join, quote

from gaoler.cli.output import clean, complain
from gaoler.client import Gaoler
from gaoler.client.session import GAOLER_FAILED
from gaoler.errors import Failed, GaolerError, NotFound

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOUND = 127
_SHELL_SIGNS = frozenset("|&;<>()$`*?~ \n")
_BUILT_IN = frozenset(
    ("alias", "bg", "cd", "export", "fg", "hash", "jobs", "set", "shopt", "source", "ulimit", "umask", "unset", ".")
)
_NOTICE = 5.0
"""Seconds that the daemon may take to notice that a machine has ended."""


def not_run(complaint: str, code: int, start: str, words: Sequence[str]) -> GaolerError:
    """The error for a command that the agent could not start; `start` is the command line before it, `gaol exec web --`."""
    if code != _NOT_FOUND or not words:
        return GaolerError(clean(complaint), "the machine says so", f"{start} id", code)
    program = words[0]
    shown = clean(program)
    if len(words) == 1 and _SHELL_SIGNS & set(program):
        hint = f"{start} sh -c {quote(program)}"
        return GaolerError(f'there is no program "{shown[:60]}"', "a whole command line is for a shell to read", hint, code)
    if program in _BUILT_IN:
        hint = f"{start} sh -c {quote(join(words))}"
        return GaolerError(f"{shown} is part of a shell, not a program", "only a shell understands it", hint, code)
    if program == "sudo" and len(words) > 1:
        return GaolerError("sudo is not installed in this machine", "you are root in it", f"{start} {join(words[1:])}", code)
    if "/" in program:
        directory = program.rpartition("/")[0] or "/"
        return GaolerError(
            f"there is no {shown} in the machine", "paths are those inside the machine", f"{start} ls {quote(directory)}", code
        )
    install = f"apt-get install -y {quote(program)}"
    hint = f"{start} {install}" if " exec " in start else f"{start} sh -c {quote(f'{install} && {join(words)}')}"
    return GaolerError(f"{shown} is not installed in this machine", "no program of that name is in its PATH", hint, code)


def ended(name: str | None, complaint: str) -> GaolerError:
    """The error for a machine that ended under a command. Returns when the daemon knows of it, too."""
    try:
        with Gaoler() as gaoler:
            machine = gaoler.call("Wait", until="stopped", timeout=_NOTICE, name=name or gaoler.info()["name"])["machine"]
    except NotFound:
        return Failed(complaint, "it was deleted", "gaol ls", GAOLER_FAILED)
    except GaolerError:
        return Failed(complaint, "the daemon does not say why", "gaol ls", GAOLER_FAILED)
    shown = clean(machine["name"])
    return Failed(complaint, clean(machine["reason"] or "it was stopped"), f"gaol log {shown}", GAOLER_FAILED)


def told_of_memory(text: str, name: str | None) -> None:
    """Say that a program was killed inside; the command's own code and output stay as they are."""
    hint = f"gaol set {name} memory=1G" if name else "gaol run --memory 1G -- COMMAND"
    complain(Failed(text, "its other programs go on", hint))
