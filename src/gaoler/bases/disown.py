"""What a machine's owner leaves behind in it, and others are not to have when it becomes a base.

The owner's account, made by the guest's step `account`, would stay in everybody's machine; with it a password, were one set,
and keys that let its owner in. What else may be a secret is told by where it lies, and by what the machine began with: nothing in
root's home, no backup of account files and no key that its base did not have becomes everybody's, but what is asked for by path.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gaoler.bases import clean
from gaoler.bases.tree import Tree
from gaoler.errors import NotFound, Usage

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


#: Patterns of what is taken out unless the machine's base had the very same.
_SECRETS = (
    "root/*",
    *(f"etc/{table}?*" for table in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")),
    *(f"etc/.{table}*" for table in ("passwd", "shadow", "group", "gshadow")),
    "var/backups/*",
    "etc/wireguard/*",
    "etc/amnezia/*",
    "etc/openvpn/*",
    "etc/tinc/*",
    "etc/ipsec.secrets",
    "etc/ipsec.d/private/*",
    "etc/swanctl/private/*",
    "etc/NetworkManager/system-connections/*",
    "etc/wpa_supplicant/*.conf",
    "etc/systemd/network/*.netdev",
    "etc/ssl/private/*",
    "etc/pki/tls/private/*",
    "etc/letsencrypt",
    "etc/*.keytab",
    "etc/docker/key.json",
    "etc/containers/auth.json",
    "etc/apt/auth.conf",
    "etc/apt/auth.conf.d/*",
    "etc/netplan/*",
    "etc/sudoers.d/*~",
    "var/lib/tailscale/*",
    "var/lib/acme/*",
    "var/lib/iwd/*",
    "var/lib/bluetooth/*",
)


def disown(base: Path, owner: str, home: str = "", began: Path | None = None, keep: Sequence[str] = ()) -> None:
    """Take homes, the owner's account, everybody's passwords and what may be a secret out of a tree that was a machine.

    `home` is where the owner's lay, `began` the tree that the machine began with, as far as they are known; `keep` are absolute
    paths of what may be a secret and stays all the same. Raises OSError; Usage and NotFound for paths that make no sense.
    """
    with ExitStack() as trees:
        tree = trees.enter_context(Tree(base))
        kept = [kept_path(path, home) for path in keep]
        for path in kept:
            if not tree.kind(path):
                raise NotFound(f"there is no /{path[:200]} to keep", "the machine has none", "gaol exec NAME -- ls -a /root")
        had = trees.enter_context(Tree(began)) if began else None
        tree.empty("home")
        where = home.strip("/")
        if where and had and not had.kind(where):  # or it is what a system lies in, as /usr/sbin is some accounts' home
            tree.remove(where)
        for pattern in _SECRETS:
            for path in tree.names(pattern):
                _as_it_began(tree, had, path, kept)
        for place in _PERSONAL:
            tree.remove(place.format(owner))
        tree.rewrite("etc/hosts", _anywhere)
        if owner != "root":  # whose account is the tree's, not one made for a machine
            name = owner.encode()
            for table in ("etc/passwd", "etc/shadow", "etc/subuid", "etc/subgid"):
                tree.rewrite(table, lambda text: _without(text, name))
            for table in ("etc/group", "etc/gshadow"):
                tree.rewrite(table, lambda text: _left(text, name))
        tree.rewrite("etc/shadow", _locked)


def kept_path(path: str, home: str = "") -> str:
    """A path that may be kept, relative to the machine's root. Raises Usage for what no base has, whoever asks."""
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]):
        raise Usage(f'"{path[:200]}" can\'t be kept', "a path begins with / and has no . or .. in it", "--keep /root/.vimrc")
    found = path[1:]
    if any(is_below(found, place) for place in ("home", home.strip("/")) if place not in ("", "root")):
        raise Usage(f"{path[:200]} can't be kept", "homes are their owners' alone", "--keep /root/.vimrc")
    if clean.removes(found):
        raise Usage(f"{path[:200]} can't be kept", "all machines of the base would have it in common", "--keep /root/.vimrc")
    return found


def is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def _as_it_began(tree: Tree, had: Tree | None, name: str, kept: Sequence[str]) -> None:
    """Put what the machine began with in the place of what is there, if that is another thing; else take it out."""
    waiting = [name]
    while waiting:
        path = waiting.pop()
        if any(is_below(path, one) for one in kept):
            continue
        kind = tree.kind(path)
        if kind == stat.S_IFDIR and any(is_below(one, path) for one in kept):
            waiting += tree.names(f"{path}/*")
            continue
        if had is None or had.kind(path) != kind or kind not in (stat.S_IFREG, stat.S_IFDIR):
            tree.remove(path)
        elif kind == stat.S_IFDIR:
            waiting += tree.names(f"{path}/*")
        else:
            tree.put_back(path, had)


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
