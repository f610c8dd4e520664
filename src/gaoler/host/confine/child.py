"""The process that confines itself and becomes the program; its own, since namespaces are a process' and not a thread's."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from gaoler.host import libc
from gaoler.host.ids import IDS

_CLONE_NEWUTS = 0x04000000  # linux/sched.h
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096  # linux/mount.h
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38  # linux/prctl.h

#: linux/capability.h: what a program needs that makes other people's files, and nothing else.
_FILES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "SETFCAP": 31}
_MKNOD = 27
_LAST_CAP = Path("/proc/sys/kernel/cap_last_cap")

#: Of the host's, for programs to run and names to be found.
_COPIED = ("/etc/ld.so.cache", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/gai.conf")
_LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("null", "zero", "urandom", "random")
_TEMPORARY = Path("/tmp")  # noqa: S108  (of its own root)
_SCRATCH = "size=64m,mode=0755"


def main() -> NoReturn:
    """`CONFINEMENT PROGRAM WORDS...`: the first word is JSON."""
    told, argv = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        pid = _start(told, argv)
    except OSError as error:
        _complain(f"can't confine {argv[0]}: {error}")
        os._exit(125)
    for descriptor in told["held"]:  # by the program alone from here on
        os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _start(told: dict[str, Any], argv: list[str]) -> int:
    first = told["first_id"]
    identity = _user_namespace(first) if first is not None else None
    files = {place: _content(source) for place, source in told["copies"].items()}
    files |= {place: _content(place) for place in _COPIED}
    if told["standard_input"]:
        os.dup2(os.open(told["standard_input"], os.O_RDONLY | os.O_CLOEXEC), 0)
    libc.unshare(
        libc.CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS | (libc.CLONE_NEWNET if identity is None else 0)
    )
    libc.mount(None, Path("/"), None, libc.MS_REC | libc.MS_PRIVATE)
    _enter_root(told["binds"], files, identity, first or 0)
    pid = os.fork()
    if pid == 0:
        try:
            _become(argv, told["environment"], identity)
        except OSError as error:
            _complain(f"can't run {argv[0]}: {error}")
        os._exit(127)
    return pid


def _become(argv: list[str], environment: dict[str, str], identity: int | None) -> NoReturn:
    if identity is not None:
        libc.setns(identity, _CLONE_NEWUSER)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    kept = {*_FILES.values()} | ({_MKNOD} if identity is None else set())
    for capability in range(_last_capability + 1):
        if capability not in kept:
            libc.prctl(_PR_CAPBSET_DROP, capability)  # root's programs get what is left at exec
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of identity has cleared it
    os.umask(0o022)
    os.nice(5)  # machines come first
    os.chdir("/")
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "TMPDIR": str(_TEMPORARY)}
    os.execvpe(argv[0], argv, plain | environment)


def _enter_root(binds: list[dict[str, Any]], files: dict[str, bytes | None], identity: int | None, owner: int) -> None:
    """Make the program's root and make it ours; all of the host's paths are opened before it covers them."""
    opened = [(bind, libc.open_tree(Path(bind["source"]))) for bind in binds]
    system = libc.open_tree(Path("/usr"))
    devices = [(name, libc.open_tree(Path("/dev") / name)) for name in _DEVICES]
    links = {place: os.readlink(place) for place in _LINKED if os.path.islink(place)}
    plain = [(place, libc.open_tree(Path(place))) for place in _LINKED if place not in links and os.path.isdir(place)]
    root = Path("/proc")  # of this mount namespace alone: any directory that every host has
    libc.mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, _SCRATCH)
    for directory in ("usr", "dev", "etc", "root", "tmp", "proc"):
        (root / directory).mkdir()
    (root / "root").chmod(0o700)
    os.chown(root / "root", owner, owner)
    for place, target in links.items():
        (root / place[1:]).symlink_to(target)
    _attach(system, root / "usr", writable=False)
    for place, tree in plain:
        (root / place[1:]).mkdir()
        _attach(tree, root / place[1:], writable=False)
    for name, tree in devices:
        (root / "dev" / name).touch()
        libc.move_mount(tree, root / "dev" / name)
    files |= {"/etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "/etc/group": b"root:x:0:\n"}
    for place, content in files.items():
        if content is not None:
            path = root / place[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o600 if place.startswith("/root/") else 0o644)
            os.chown(path, owner, owner)
    for bind, tree in opened:
        if bind["mapped"] and identity is not None:
            libc.mount_setattr_idmap(tree, identity)
        target = root / bind["target"][1:]
        target.mkdir(parents=True, exist_ok=True)
        _attach(tree, target, writable=bind["writable"])
    os.chdir(root)
    libc.pivot_root(Path("."), Path("."))
    libc.umount(Path("."), libc.MNT_DETACH)  # what was the host's root
    os.chdir("/")
    scratch = f"size=64m,mode=0700,uid={owner},gid={owner}"
    libc.mount("tmpfs", _TEMPORARY, "tmpfs", _MS_NOSUID | _MS_NODEV, scratch)  # beside its binds, all it may write
    libc.mount(None, Path("/"), None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _attach(tree: int, target: Path, *, writable: bool) -> None:
    libc.move_mount(tree, target)
    os.close(tree)
    flags = _MS_REMOUNT | _MS_BIND | _MS_NOSUID | _MS_NODEV | (0 if writable else _MS_RDONLY)
    libc.mount(None, target, None, flags)


def _user_namespace(first: int) -> int:
    """A descriptor of a user namespace in which ids 0..65535 are the host's from `first` on."""
    wait_read, wait_write = os.pipe()
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(wait_write)
        libc.unshare(_CLONE_NEWUSER)
        os.write(ready_write, b"+")
        os.read(wait_read, 1)
        os._exit(0)
    os.close(ready_write)
    os.close(wait_read)
    try:
        if not os.read(ready_read, 1):
            raise OSError(0, "the kernel makes no user namespace: sysctl user.max_user_namespaces")
        for table in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{table}").write_text(f"0 {first} {IDS}\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(wait_write)
        os.close(ready_read)
        os.waitpid(child, 0)


def _complain(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


_last_capability = int(_LAST_CAP.read_text())
