"""Who asks: the identity that the kernel vouches for (SO_PEERCRED), and the account behind it."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable
from dataclasses import dataclass

from gaoler.configuration.account import Account
from gaoler.errors import NotAllowed, NotFound
from gaoler.host.peer import peer


@dataclass(frozen=True)
class Caller:
    account: Account
    pid: int
    admin: bool

    @property
    def uid(self) -> int:
        return self.account.uid


def identify(sock: socket.socket, admin_group: str, known: Callable[[Account], Account]) -> Caller:
    """The account behind the peer of a connection, with the mark by which it is `known`. Raises NotAllowed, Failed."""
    pid, uid = peer(sock)
    account = known(account_of(uid))
    return Caller(account, pid, uid == 0 or admin_group in {name for name, _ in account.groups} or account.group == admin_group)


def account_of(uid: int) -> Account:
    """Raises NotAllowed where the account database does not know the id."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise NotAllowed(
            f"uid {uid} has no account on this host", "machines belong to accounts", f"getent passwd {uid}"
        ) from None
    numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
    groups = tuple((_group_name(gid), gid) for gid in sorted(set(numbers) - {entry.pw_gid}))
    return Account(
        entry.pw_name,
        uid,
        entry.pw_gid,
        _group_name(entry.pw_gid),
        groups,
        entry.pw_gecos,
        entry.pw_dir,
        entry.pw_shell,
    )


def uid_of(name: str) -> int:
    """Raises NotFound."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        raise NotFound(f'no user "{name[:40]}"', "this host has no account of that name", f"getent passwd {name[:40]}") from None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"g{gid}"
