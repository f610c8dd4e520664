"""What must not be in a base, since every machine would have it in common: identities, leases, logs, caches.

A lease left behind makes a machine ask for a stranger's address; a host key left behind is everybody's key.
"""

from __future__ import annotations

import fnmatch
import stat
from pathlib import Path

from gaoler.bases.tree import Tree

#: Removed wherever they match.
FILES = (
    "etc/ssh/ssh_host_*",
    "etc/dropbear/dropbear_*_host_key",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    "var/lib/dhcp/*.leases*",
    "var/lib/dhclient/*",
    "var/lib/dhcpcd/*",
    "var/lib/NetworkManager/*",
    "var/lib/systemd/network/*",
    "var/lib/dpkg/*-old",
    "var/cache/debconf/*-old",
    "root/.*_history",
    "root/.lesshst",
    "root/.ssh",
    "root/.gnupg",
    "root/.netrc",
    "root/.git-credentials",
    "root/.docker",
    "root/.aws",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/.pwd.lock",
    "etc/gaol-identity",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
)

#: Emptied: the directories belong there, what they hold does not.
DIRECTORIES = (
    "dev",
    "run",
    "tmp",
    "var/tmp",
    "var/cache/apt",
    "var/cache/ldconfig",
    "var/cache/pacman/pkg",
    "var/lib/apt/lists/partial",
)

#: Directories stay (nginx won't start without its own), files go.
LOGS = "var/log"

#: Empty means: make one at the first start (machine-id(5)).
MACHINE_ID = "etc/machine-id"


def clean(base: Path) -> None:
    """Takes out of a tree what is one machine's own; raises OSError."""
    with Tree(base) as tree:
        for pattern in FILES:
            for name in tree.names(pattern):
                tree.remove(name)
        for directory in DIRECTORIES:
            tree.empty(directory)
        tree.remove_files(LOGS)
        if tree.kind("etc") == stat.S_IFDIR:
            tree.write(MACHINE_ID)


def removes(path: str) -> bool:
    """Whether `clean` takes out what is at a path, or what that is below."""
    tops = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 2)]
    return any(top in DIRECTORIES or top == LOGS or any(fnmatch.fnmatchcase(top, pattern) for pattern in FILES) for top in tops)


def leftovers(base: Path) -> list[str]:
    """What `clean` would have taken out and is there: empty for a base that is ready."""
    with Tree(base) as tree:
        found = [name for pattern in FILES for name in tree.names(pattern)]
        found += [name for directory in DIRECTORIES for name in tree.names(f"{directory}/*")]
        found += [name for name in tree.names(f"{LOGS}/*") if tree.kind(name) != stat.S_IFDIR]
        if tree.kind(MACHINE_ID) != stat.S_IFREG or tree.size(MACHINE_ID):
            found.append(MACHINE_ID)
    return found
