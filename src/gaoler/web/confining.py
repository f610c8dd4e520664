"""What a process of the page takes from itself, for good (prctl(2)). Each function raises OSError."""

from __future__ import annotations

import ctypes

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def hide_memory() -> None:
    """Other processes of the same account can't read our memory, nor take our descriptors."""
    _prctl(_PR_SET_DUMPABLE, 0)


def gain_nothing() -> None:
    """No program that is started from here on has more rights than we have."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def end_with_parent(number: int) -> None:
    """Have the kernel send us this signal when the thread ends that started us."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")
