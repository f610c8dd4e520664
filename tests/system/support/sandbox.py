"""Run a program with what a unit of systemd takes from it: `python sandbox.py UNIT PROGRAM ARGUMENTS...`.

Of the unit's settings those that the kernel holds for a process and its children, as systemd would set them: the bounding set,
no_new_privs, filters of system calls. It is here for hosts that systemd does not run.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

#: What systemd-analyze(1) syscall-filter says of the groups that our units name, as far as x86-64 has them.
GROUPS = {
    "@clock": "adjtimex clock_adjtime clock_settime settimeofday",
    "@module": "delete_module finit_module init_module",
    "@obsolete": "_sysctl afs_syscall create_module get_kernel_syms getpmsg putpmsg query_module security sysfs tuxcall uselib ustat vserver",
    "@raw-io": "ioperm iopl",
    "@reboot": "kexec_file_load kexec_load reboot",
    "@swap": "swapoff swapon",
}
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
    "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
    "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)  # linux/capability.h, by number
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # seccomp.h
_EPERM, _EAFNOSUPPORT = 1, 97
_ATTRIBUTE_BAD_ARCHITECTURE, _ATTRIBUTE_NO_NEW_PRIVS = 2, 3
_EQUAL = 4
_REAL_TIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE


class _Comparison(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_uint), ("how", ctypes.c_int), ("one", ctypes.c_uint64), ("other", ctypes.c_uint64))


def settings(unit: Path) -> dict[str, list[str]]:
    """The words of each setting, of all its lines; a `~` in front of the first one is left out."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, _, words = line.partition("=")
        if name.isalpha():
            found.setdefault(name, []).extend(words.removeprefix("~").split())
    return found


def dropped(unit: Path) -> list[int]:
    """Capabilities that are no longer to be had, by number."""
    return sorted(_CAPABILITIES.split().index(word.removeprefix("CAP_")) for word in settings(unit)["CapabilityBoundingSet"])


def refused(unit: Path) -> list[str]:
    """System calls, by name."""
    return [name for word in settings(unit)["SystemCallFilter"] for name in GROUPS.get(word, word).split()]


def enter(unit: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for number in dropped(unit):
        assert libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    of = settings(unit)
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ALLOW)))
    seccomp.seccomp_attr_set(context, _ATTRIBUTE_BAD_ARCHITECTURE, ctypes.c_uint32(_ALLOW))
    seccomp.seccomp_attr_set(context, _ATTRIBUTE_NO_NEW_PRIVS, ctypes.c_uint32(of["NoNewPrivileges"] == ["yes"]))

    def refuse(call: str, error: int, *where: tuple[int, int]) -> None:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        compared = (_Comparison * len(where))(*(_Comparison(argument, _EQUAL, value, 0) for argument, value in where))
        if number >= 0:  # else an architecture's that this is not
            assert seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(_ERRNO | error), number, len(where), compared) == 0

    for call in refused(unit):
        refuse(call, _EPERM)
    known = [_FAMILIES[word] for word in of["RestrictAddressFamilies"]]
    for family in set(range(64)) - set(known):
        refuse("socket", _EAFNOSUPPORT, (0, family))
    if of["RestrictRealtime"] == ["yes"]:
        for policy in _REAL_TIME:
            refuse("sched_setscheduler", _EPERM, (1, policy))
    assert seccomp.seccomp_load(context) == 0
    if of["NoNewPrivileges"] == ["yes"]:
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.umask(int(of["UMask"][0], 8))


if __name__ == "__main__":
    enter(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
