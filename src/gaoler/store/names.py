"""What machines, bases and snapshots may be called. Names become host names, paths and DNS labels, so they are plain."""

from __future__ import annotations

import re

from gaoler.errors import Usage

_MACHINE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_BASE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
RESERVED = frozenset({"bin", "etc", "lib", "kernels", "lost+found"})
"""What else lies in the store's top directory."""


def machine_name(name: str) -> str:
    """The name, if it is good. Raises Usage: it becomes a host name (RFC 1123), 32 characters at most."""
    if not _MACHINE.fullmatch(name):
        raise Usage(
            f'"{name[:40]}" is not a valid name for a machine',
            "1 to 32 lower-case letters, digits and hyphens, a letter or digit at both ends",
            "gaol up web",
        )
    return name


def base_name(name: str) -> str:
    if name in RESERVED:
        raise Usage(f'"{name}" is not a valid name for a base', "gaoler's own files are there", "gaol base ls")
    if not _BASE.fullmatch(name) or ".." in name:
        raise Usage(
            f'"{name[:40]}" is not a valid name for a base',
            "lower-case letters, digits, dots, hyphens and underscores, a letter or digit first",
            "gaol base ls",
        )
    return name


def tag_name(tag: str) -> str:
    if not _BASE.fullmatch(tag) or ".." in tag:
        raise Usage(
            f'"{tag[:40]}" is not a valid name for a snapshot',
            "lower-case letters, digits, dots, hyphens and underscores, a letter or digit first",
            "gaol snapshot web before-upgrade",
        )
    return tag


def default_name(login: str) -> str:
    """What a user's machine is called who names none: after the login, made fit for a host name."""
    plain = re.sub(r"[^a-z0-9]+", "-", login.lower()).strip("-")[:32].strip("-")
    return plain or "machine"
