"""Logins to the page, in the audit: written by the part of it that is root, as PAM and the kernel say.

The service that speaks with browsers writes none of it. All that it can say is the address that a login comes from, and the name
that was tried; who is in is what PAM said, and who has gone what the kernel says of the process that was theirs.
"""

from __future__ import annotations

import os
import pwd
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaoler.days import Days
from gaoler.errors import NotAllowed


@dataclass(frozen=True)
class Noting:
    directory: Path
    keep: int
    """Seconds."""

    def granted(self, name: str, uid: int, remote: str) -> None:
        """By the process that asked PAM, which is root until after this."""
        self._note(who=name, uid=uid, pid=os.getpid(), did="PageLogin", remote=remote, code=0)

    def refused(self, tried: str, remote: str, why: str, pid: int | None = None) -> None:
        """Nobody has shown who they are: the name is what was typed."""
        own = pid or os.getpid()
        self._note(who=None, tried=tried, pid=own, did="PageLogin", remote=remote, code=NotAllowed.code, error=why[:400])

    def ended(self, pid: int, tried: str, remote: str) -> None:
        """Of a login's process that has ended and is not yet waited for: a log-out, or a login that came to nothing."""
        uid, died = _of_dead(pid)
        if uid:
            self._note(who=_login(uid), uid=uid, pid=pid, did="PageLogout", remote=remote, code=0)
        elif died:
            self.refused(tried, remote, "it took too long" if died == signal.SIGALRM else f"it was ended by signal {died}", pid)

    def _note(self, *, remote: str, code: int, error: str = "", **entry: Any) -> None:
        days = Days(lambda: self.directory, lambda: self.keep)
        days.note(**entry, **{"from": remote}, code=code, **({"error": error} if error else {}))
        days.leave()


def _of_dead(pid: int) -> tuple[int, int]:
    """Whose it was in the end, and the signal that ended it, if one did; of a process that is a zombie."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    died = found.si_status if found and found.si_code in (os.CLD_KILLED, os.CLD_DUMPED) else 0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Uid:")), died


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
