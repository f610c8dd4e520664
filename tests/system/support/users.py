"""Accounts of this run, with real homes; gone at its end."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.support.waiting import until


@dataclass(frozen=True)
class User:
    """Who runs a command on the host."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: Path

    @property
    def credentials(self) -> dict[str, object]:
        """For subprocess."""
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}

    @property
    def environment(self) -> dict[str, str]:
        """As after a login, and nothing of the test's own."""
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": "/bin/bash",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
        }


def existing(name: str) -> User:
    entry = pwd.getpwnam(name)
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return User(name, entry.pw_uid, entry.pw_gid, groups, Path(entry.pw_dir))


@contextmanager
def account(name: str, *groups: str, home: Path | None = None) -> Iterator[User]:
    """A new account, `groups` beside its own."""
    further = ["--groups", ",".join(groups)] if groups else []
    further += ["--home-dir", str(home)] if home else []
    with _alone():
        _delete(name)  # of a run that was killed
        # No password, and not locked either: sshd refuses who is.
        _run("useradd", "--create-home", "--user-group", *further, "--password", "*", "--shell", "/bin/bash", name)
    try:
        yield existing(name)
    finally:
        with _alone():
            _delete(name)


def remove(name: str) -> None:
    """The account goes, with its home; what runs as it goes on."""
    with _alone():
        _delete(name)


def add(name: str, *, uid: int) -> User:
    """One more of that name and id, whom `account` takes away in the end."""
    with _alone():
        _run("useradd", "--create-home", "--user-group", "--uid", str(uid), "--shell", "/bin/bash", name)
    return existing(name)


@contextmanager
def renamed(user: User, new: str) -> Iterator[User]:
    """The account and its group are called otherwise; its home moves along. It is given back its name."""
    _rename(user.name, new, user.home.with_name(new))
    try:
        yield existing(new)
    finally:
        _rename(new, user.name, user.home)


def _processes(uid: int) -> list[str]:
    return subprocess.run(["pgrep", "-U", str(uid)], capture_output=True, text=True, check=False).stdout.split()


def _rename(old: str, new: str, home: Path) -> None:
    with _alone():
        until(lambda: not _processes(pwd.getpwnam(old).pw_uid), "its last command has ended")  # or usermod refuses
        _run("groupmod", "--new-name", new, old)
        _run("usermod", "--login", new, "--home", str(home), "--move-home", old)


@contextmanager
def group(name: str) -> Iterator[str]:
    with _alone():
        _run("groupadd", "--force", name)
    try:
        yield name
    finally:
        with _alone():
            _run("groupdel", name)


def _delete(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return
    _run("userdel", "--remove", "--force", name)


@contextmanager
def _alone() -> Iterator[None]:
    """One change of the account files at a time on this host: useradd gives up soon when they are locked."""
    with Path("/run/gaoler-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # 12: userdel says so where a user's mail file is not there
    assert done.returncode in (0, 12), f"{command}: {done.stderr}"
