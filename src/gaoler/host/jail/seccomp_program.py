"""The filter of seccomp.py as the program that the kernel takes, made once (libseccomp, which crun itself is made of)."""

from __future__ import annotations

import base64
import ctypes
import errno
import os
from functools import cache
from typing import Any

from gaoler.errors import Failed
from gaoler.host.jail import seccomp

# seccomp.h
_ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF_0000, "SCMP_ACT_ERRNO": 0x0005_0000}
_COMPARISONS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
_ATTRIBUTE_BAD_ARCHITECTURE = 2
_ATTRIBUTE_OPTIMIZE, _BINARY_TREE = 8, 2
_UNKNOWN_CALL = -1


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@cache
def encoded() -> str | None:
    """The program in base64, None where there is no libseccomp to make it (crun then compiles the filter itself).

    crun would spend 10 ms at each start on it.
    """
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    described = seccomp.filter_()
    refusal = _ACTIONS["SCMP_ACT_ERRNO"] | errno.EPERM
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(refusal)))
    try:
        # Not the usual kill: a 32-bit call of a program inside is UML's to answer, with a weaker action than kill.
        _check(library.seccomp_attr_set(context, _ATTRIBUTE_BAD_ARCHITECTURE, ctypes.c_uint32(refusal)))
        _check(library.seccomp_attr_set(context, _ATTRIBUTE_OPTIMIZE, ctypes.c_uint32(_BINARY_TREE)))
        for rule in described["syscalls"]:
            _add(library, context, rule)
        program = _exported(library, context)
    finally:
        library.seccomp_release(context)
    return base64.b64encode(program).decode()


def _add(library: ctypes.CDLL, context: ctypes.c_void_p, rule: dict[str, Any]) -> None:
    action = ctypes.c_uint32(_ACTIONS[rule["action"]] | rule.get("errnoRet", 0))
    wanted = [
        _Comparison(one["index"], _COMPARISONS[one["op"]], one["value"], one.get("valueTwo", 0)) for one in rule.get("args", ())
    ]
    comparisons = (_Comparison * len(wanted))(*wanted)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN_CALL:  # newer than this libseccomp: refused, as crun does it
            _check(library.seccomp_rule_add_array(context, action, number, len(wanted), comparisons))


def _exported(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("filter", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, fd))
        return os.pread(fd, 1 << 20, 0)
    finally:
        os.close(fd)


def _check(code: int) -> None:
    if code != 0:
        raise Failed("can't make the filter of system calls", os.strerror(-code), "gaol doctor")
