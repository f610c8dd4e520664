"""Looks at a tree that is to be a base: is it whole, and what would machines from it lack?

The tree is a stranger's. Paths are resolved with it as the root (gaoler.bases.tree), files are opened without waiting and
only read when they are regular.
"""

from __future__ import annotations

import os
import platform
import re
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gaoler.bases.tree import Tree, walk
from gaoler.host import libc
from gaoler.host.ids import IDS

_DIRECTORIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_RESOLVE = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS
_MACHINES = {"x86_64": 62, "aarch64": 183, "i686": 3}  # elf.h, EM_*
_PT_INTERP = 3

#: What startenv and services call (guest/README.md has the packages they are in).
_NEEDED = ("sh", "cat", "grep", "sed", "mkdir", "rm", "cp", "chown", "ln")

#: What is mounted over, and so must be a directory, or not there yet.
_MOUNT_POINTS = ("dev", "proc", "sys", "run", "tmp", "home", "uml")

#: Any one of each, and what machines are without it.
_WANTED = {
    ("usr/lib/systemd/systemd", "lib/systemd/systemd", "sbin/init"): "no init: --init systemd won't work",
    ("dhclient", "udhcpc", "dhcpcd"): "no dhclient: no address by DHCP",
    ("sshd",): "no sshd: gaol ssh won't work",
    ("ssh-keygen",): "no ssh-keygen: sshd gets no key of its own",
    ("sudo",): "no sudo: owners become root by `gaol exec` only",
    ("apt-get", "pacman", "apk", "dnf", "zypper", "xbps-install"): "no package manager that is known",
}

#: Signs that a package manager was at work when the tree was copied.
_AT_WORK = {
    "var/lib/pacman/db.lck": "pacman was at work",
    "var/lib/gaoler-master/updating": "the master was updating itself",
}
_DPKG_UPDATES = "var/lib/dpkg/updates"
_DPKG_STATUS = "var/lib/dpkg/status"
_DPKG_HALF = re.compile(r"^Status: \S+ \S+ (?:half-installed|unpacked|half-configured)$", re.MULTILINE)

MASTER_STATUS = "var/lib/gaoler-master/status"
"""What the master kit writes after each update: lines `updated=SECONDS` and `result=...`."""
_STALE = 8 * 86400
_READ_MAX = 64 << 20


@dataclass(frozen=True)
class Survey:
    """All there is in a tree. Sizes in bytes as files say them (holes count, a hard link once for each name)."""

    files: int
    size: int
    devices: int
    """Device nodes that were removed: machines have their own."""
    strangers: tuple[str, ...]
    """Some of the files that belong to ids a machine does not have."""


def faults(path: Path) -> list[str]:
    """Why a tree can't be a base; empty when it can."""
    found = []
    with Tree(path) as tree:
        missing = [name for name in _NEEDED if not _program(tree, name)]
        if missing:
            found.append(f"no {', '.join(missing)}")
        if "sh" not in missing:
            found += _shell_faults(tree)
        if not _is(tree, "etc/passwd", stat.S_ISREG):
            found.append("no /etc/passwd")
        found += [f"/{name} is not a directory" for name in _MOUNT_POINTS if tree.kind(name) not in (0, stat.S_IFDIR)]
        found += [why for sign, why in _AT_WORK.items() if tree.kind(sign)]
        if tree.names(f"{_DPKG_UPDATES}/[0-9]*"):
            found.append("dpkg was at work")
    return found


def lacks(path: Path, *, master: bool, now: float | None = None) -> list[str]:
    """What is worth telling about a tree that can be a base; of a master, also whether it keeps itself up to date."""
    with Tree(path) as tree:
        found = [text for names, text in _WANTED.items() if not any(_there(tree, name) for name in names)]
        if half := len(_DPKG_HALF.findall(_text(tree, _DPKG_STATUS))):
            found.append(f"{half} packages are not fully installed: dpkg --configure -a on the master")
        if master:
            found += _master_lacks(_text(tree, MASTER_STATUS), time.time() if now is None else now)
    return found


def survey(path: Path) -> Survey:
    """Count, and remove device nodes. Raises OSError."""
    files = size = devices = 0
    strangers: list[str] = []
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for directory, names, others, below in walk(root):
            for name in (*names, *others):
                found = os.lstat(name, dir_fd=below)
                files += 1
                if stat.S_ISREG(found.st_mode):
                    size += found.st_size
                elif stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
                    os.unlink(name, dir_fd=below)
                    devices += 1
                if max(found.st_uid, found.st_gid) >= IDS and len(strangers) < 3:
                    strangers.append(os.path.normpath(f"/{directory}/{name}"))
    finally:
        os.close(root)
    return Survey(files, size, devices, tuple(strangers))


def packages(path: Path) -> str:
    """What a package manager says is installed, to compare with: empty where neither dpkg nor pacman is known."""
    with Tree(path) as tree:
        return _text(tree, _DPKG_STATUS) + "\n".join(tree.names("var/lib/pacman/local/*-*"))


def _master_lacks(status: str, now: float) -> list[str]:
    values = dict(line.split("=", 1) for line in status.splitlines() if "=" in line)
    updated = values.get("updated", "")
    if not updated.isdigit():
        return [f"the master has no /{MASTER_STATUS}: nothing tells whether it updates itself (docs/howto/bases.md)"]
    found = []
    if now - int(updated) > _STALE:
        found.append(f"the master's last update was {int((now - int(updated)) / 86400)} days ago")
    if values.get("result") != "ok":
        found.append(f"the master's last update failed: {values.get('result', '')[:200]}")
    return found


def _shell_faults(tree: Tree) -> list[str]:
    """An interpreter of another processor, or without its loader, would be found out at the first start only."""
    with _opened(tree, "bin/sh") as file:
        header = os.read(file, 4096) if file is not None else b""
    if header[:4] != b"\x7fELF" or len(header) < 64:
        return ["/bin/sh is not a program"]
    wide = header[4] == 2
    (machine,) = struct.unpack_from("<H", header, 18)
    if machine not in (_MACHINES.get(platform.machine()), 3 if platform.machine() == "x86_64" else None):
        return [f"/bin/sh is of another processor (ELF machine {machine})"]
    offset, size, count = (
        (*struct.unpack_from("<Q", header, 32), *struct.unpack_from("<HH", header, 54))
        if wide
        else (*struct.unpack_from("<I", header, 28), *struct.unpack_from("<HH", header, 42))
    )
    for number in range(count):
        at = offset + number * size
        if at + 56 > len(header) or struct.unpack_from("<I", header, at)[0] != _PT_INTERP:
            continue
        start, length = (
            (struct.unpack_from("<Q", header, at + 8)[0], struct.unpack_from("<Q", header, at + 32)[0])
            if wide
            else (struct.unpack_from("<I", header, at + 4)[0], struct.unpack_from("<I", header, at + 16)[0])
        )
        loader = os.fsdecode(header[start : start + length].rstrip(b"\0"))
        if not loader or not _is(tree, loader.lstrip("/"), stat.S_ISREG):
            return [f"/bin/sh needs {loader or 'a loader'}, which is not there"]
    return []


def _there(tree: Tree, name: str) -> bool:
    return _is(tree, name, stat.S_ISREG) if "/" in name else _program(tree, name)


def _program(tree: Tree, name: str) -> bool:
    return any(_is(tree, f"{directory}/{name}", stat.S_ISREG) for directory in _DIRECTORIES)


def _is(tree: Tree, path: str, kind: object) -> bool:
    with _opened(tree, path) as file:
        return file is not None and bool(kind(os.fstat(file).st_mode))  # type: ignore[operator]


@contextmanager
def _opened(tree: Tree, path: str) -> Iterator[int | None]:
    """What a path leads to inside the tree, links followed; None where that isn't a regular file.

    It is looked at (O_PATH) before it is opened: opening some devices does things.
    """
    try:
        with tree.directory("") as root:
            named = libc.openat2(root, path, os.O_PATH, _RESOLVE)
            try:
                regular = stat.S_ISREG(os.fstat(named).st_mode)
            finally:
                os.close(named)
            file = libc.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK, _RESOLVE) if regular else None
    except OSError:
        file = None
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def _text(tree: Tree, path: str) -> str:
    with _opened(tree, path) as file:
        if file is None:
            return ""
        with open(file, "rb", closefd=False) as content:
            return content.read(_READ_MAX).decode(errors="replace")
