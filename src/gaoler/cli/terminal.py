"""The caller's terminal: whether it is ours to use, and the mode in which what is typed goes to the machine as it is.

A job in the background shares the terminal with the shell that started it: what is typed there is not for us, and a
program that reads it or changes its mode is stopped by the kernel (SIGTTIN, SIGTTOU).
"""

from __future__ import annotations

import os

from gaoler.client.session import in_foreground
from gaoler.errors import Failed

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TRIES = 16
"""How often a shell asks to be stopped until it is in the foreground. In a process group without a shell nothing stops it."""


def is_there() -> bool:
    """Whether a session should have a terminal: we have one, for input and output, and are in the foreground."""
    return os.isatty(0) and os.isatty(1) and in_foreground(0)


def wait_for_it() -> None:
    """Stop, as a shell does that is started in the background, until somebody says `fg`. Raises Failed where nobody can."""
    import signal

    for _ in range(_TRIES):
        if not os.isatty(0) or in_foreground(0):
            return
        os.killpg(0, signal.SIGTTIN)
    raise Failed(
        "a shell needs the terminal", "this one runs in the background, where it can't read", "gaol exec NAME -- COMMAND"
    )


def readable() -> bool:
    """Whether descriptor 0 is open for reading at all."""
    import fcntl

    try:
        return fcntl.fcntl(0, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
    except OSError:
        return False


def can_ask() -> bool:
    """Whether there is somebody to ask."""
    return os.isatty(0) and os.isatty(2) and in_foreground(0)


def agrees(question: str) -> bool:
    """Whether they say yes. Raises KeyboardInterrupt as input does."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


class Raw:
    """The raw mode, in which each key goes to the machine. What was typed ahead is for it too."""

    def __init__(self) -> None:
        import termios

        self._before = termios.tcgetattr(0)

    def begin(self) -> None:
        """Also after we were stopped and continued: the shell has put its own mode back meanwhile."""
        import termios
        import tty

        try:
            if in_foreground(0):
                tty.setraw(0, termios.TCSADRAIN)
        except termios.error:
            pass  # it has hung up, which comes with a SIGCONT

    def end(self) -> None:
        import termios

        try:
            if in_foreground(0):
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)
        except termios.error:
            pass  # it has hung up

    def during(self, work: Callable[[], Any]) -> Any:
        try:
            self.begin()
            return work()
        finally:
            self.end()
