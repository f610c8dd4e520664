"""A machine shared with somebody else: who may go in, as whom, until when; and the sessions that end with that.

What is granted is in the machine's record, so that it follows a rename and goes with the machine. The daemon looks at it each
time (daemon/rights.py). A session of a friend's goes through here, so that it can be cut.
"""

from __future__ import annotations

import socket
import threading
import time

from gaoler import background
from gaoler.configuration.account import Account
from gaoler.errors import Failed, LimitReached, NotFound, Usage
from gaoler.machines import command_line
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.record import Access, Share
from gaoler.machines.registry import Registry
from gaoler.machines.relaying import relay
from gaoler.machines.sessions import Opened, Sessions

MOST = 32
"""With how many a machine may be shared, and how many sessions each may have in it: a session takes a thread."""
_MAKE_ACCOUNT = """id -u "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash -- "$1" >/dev/null 2>&1; id -u "$1" """
"""Makes an account unless there is one, and prints its number."""


class Sharing:
    """The shares of the machines of a registry. Every method may be called from any thread."""

    def __init__(self, registry: Registry, jailer: Jailer, sessions: Sessions) -> None:
        self._registry = registry
        self._jailer = jailer
        self._sessions = sessions
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], int] = {}
        """How many sessions somebody has, by the machine's id and their uid."""

    def share(self, machine: Machine, friend: Account, access: Access, until: float | None, *, home: bool) -> None:
        """Let somebody in; one who may already may as is said now. Raises Usage, LimitReached, Failed."""
        name = machine.record.name
        if friend.uid == machine.record.owner.uid:
            raise Usage(f"{name} is theirs already", "its owner needs no share of it", f"gaol info {name}")
        if friend.uid == 0:
            raise Usage("root needs no share", "root may go into each machine", f"gaol info {name}")
        if until is not None and until <= time.time():
            raise Usage("that time is over", "a share ends later than now", f"gaol share {name} {friend.name} --until 2h")
        with machine.locked():
            self._registry.check_there(machine)
            if has_home(machine, self._jailer) and not home:
                raise Failed(
                    f"your home directory is in {name}",
                    f"whoever is root in it can read and change what you can; --with-home shares {name} all the same",
                    f"gaol set {name} home=off",
                )
            others = tuple(share for share in machine.record.shares if share.name != friend.name and share.uid != friend.uid)
            if len(others) >= MOST:
                raise LimitReached(f"{name} is shared with {MOST} people", "no machine may be with more", f"gaol info {name}")
            share = Share(name=friend.name, uid=friend.uid, mark=friend.mark, access=access, until=until, home=home)
            self._registry.change(machine, shares=(*others, share))

    def unshare(self, machine: Machine, login: str) -> None:
        """Let somebody in no longer; their sessions end. By name: the account may be gone. Raises NotFound."""
        with machine.locked():
            self._registry.check_there(machine)
            left = tuple(share for share in machine.record.shares if share.name != login)
            if left == machine.record.shares:
                name, there = machine.record.name, ", ".join(share.name for share in machine.record.shares) or "nobody"
                raise NotFound(f"{name} is not shared with {login[:40]}", f"it is shared with {there}", f"gaol info {name}")
            self._registry.change(machine, shares=left)

    def make_account(self, machine: Machine, login: str) -> None:
        """See that there is an account of that name in a running machine. Raises Failed."""
        command = ("sh", "-c", _MAKE_ACCOUNT, "sh", login)
        if not self._sessions.output_of(machine, command, limit=32, timeout=30).strip().isdigit():
            name = machine.record.name
            raise Failed(
                f"there is no account {login} in {name}",
                "it could not be made; its owner can",
                f"gaol exec {name} -- useradd -m {login}",
            )

    def guarded(self, machine: Machine, share: Share, account: Account, opened: Opened) -> tuple[int, ...]:
        """The descriptors of a friend's session, to give to them: all end when they may not be in any longer.

        `opened` is taken over. Raises LimitReached.
        """
        key = (machine.record.id, share.uid)
        with self._lock:
            if self._open.get(key, 0) >= MOST:
                opened.close()
                raise LimitReached(f"you have {MOST} sessions in {machine.record.name}", "nobody may have more there", "exit")
            self._open[key] = self._open.get(key, 0) + 1
        made = [(*socket.socketpair(), socket.socket(fileno=inside)) for inside in opened.descriptors]

        def work() -> None:
            try:
                relay([(ours, inside) for ours, _, inside in made], lambda: self.admits(machine, share, account))
            finally:
                with self._lock:
                    self._open[key] -= 1
                    if not self._open[key]:
                        del self._open[key]

        theirs = tuple(their.detach() for _, their, _ in made)
        background.begin(work, "friend")
        return theirs

    def admits(self, machine: Machine, share: Share, account: Account) -> bool:
        """Whether what was granted is granted still, and nothing has come into the machine that it was not granted for."""
        if machine.observed.gone or share not in machine.record.shares or not share.holds(account, time.time()):
            return False
        return share.home or not has_home(machine, self._jailer)


def has_home(machine: Machine, jailer: Jailer) -> bool:
    """Whether its owner's home directory is in it, or will be from its next start on."""
    if machine.record.home or machine.live is None:
        return machine.record.home
    try:
        return command_line.HOME_MOUNTED in (jailer.runtime(machine.record).config / "machine").read_text().splitlines()
    except OSError:  # it is ending, or can't be told
        return machine.live is not None
