"""The group of those who manage all machines."""

from __future__ import annotations

import grp

from gaoler.host.command import run


def has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def make_group(name: str) -> str:
    run(["groupadd", "--system", name])
    return name
