"""What a machine's owner leaves behind in it, and others are not to have when it becomes a base.

The owner's account, made by the guest's step `account`, would stay in everybody's machine; with it a password, were one set,
and keys that let its owner in.
"""

from __future__ import annotations

from pathlib import Path

from gaoler.bases.tree import Tree

#: The owner's own, beside the home; {} is the account's name.
_PERSONAL = (
    "etc/sudoers.d/gaoler",
    "var/mail/{}",
    "var/spool/mail/{}",
    "var/spool/cron/{}",
    "var/spool/cron/crontabs/{}",
    "var/lib/systemd/linger/{}",
    "var/lib/sudo/lectured/{}",
)


def disown(base: Path, owner: str) -> None:
    """Take homes, the owner's account and everybody's passwords out of a tree that was a machine. Raises OSError."""
    with Tree(base) as tree:
        tree.empty("home")
        for place in _PERSONAL:
            tree.remove(place.format(owner))
        tree.rewrite("etc/hosts", _anywhere)
        if owner != "root":  # whose account is the tree's, not one made for a machine
            name = owner.encode()
            for table in ("etc/passwd", "etc/shadow", "etc/subuid", "etc/subgid"):
                tree.rewrite(table, lambda text: _without(text, name))
            tree.rewrite("etc/group", lambda text: _left(text, name))
        tree.rewrite("etc/shadow", _locked)


def _anywhere(hosts: bytes) -> bytes:
    """Without the machine's own name, which the guest's services put there."""
    return b"".join(line for line in hosts.splitlines(keepends=True) if not line.startswith(b"127.0.1.1"))


def _without(text: bytes, name: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(keepends=True) if line.split(b":")[0] != name)


def _locked(shadow: bytes) -> bytes:
    """Passwords that somebody set are nobody's: `*` is one that nothing matches (shadow(5))."""

    def locked(line: bytes) -> bytes:
        fields = line.split(b":")
        if len(fields) > 2 and not fields[1].startswith((b"!", b"*")):
            fields[1] = b"*"
        return b":".join(fields)

    return b"".join(locked(line) for line in shadow.splitlines(keepends=True))


def _left(groups: bytes, name: bytes) -> bytes:
    """The owner is in no group any more, and a group of that name, if nobody else is in it, is not there."""

    def left(line: bytes) -> bytes:
        fields = line.rstrip(b"\n").split(b":")
        if len(fields) != 4:
            return line
        members = [member for member in fields[3].split(b",") if member not in (b"", name)]
        return b"" if fields[0] == name and not members else b":".join([*fields[:3], b",".join(members)]) + b"\n"

    return b"".join(left(line) for line in groups.splitlines(keepends=True))
