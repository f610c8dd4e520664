"""Clocks in a machine, without the rest of gaoler: programs read them without a system call, and they are the kernel's all the same.

GAOLER_TEST_KERNEL names the kernel; kernel/patches has how.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from system.support.kernel_machine import PROGRAMS, console_of, kernel_fixture, make_initramfs, passed  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]

_RIGHT = (
    "they begin with the machine", "no clock goes back", "a clock that is set", "a time namespace", "signals", "resolution", "seconds",
    "the host is not called", "the kernel is asked instead", "and is right",
)  # fmt: skip
_QUICK = (
    "no call is made", "no call is made by many processes", "no call is made in a time namespace", "no call is made for them",
)  # fmt: skip
_READ_BY_PROGRAMS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page")
"""What the vDSO of an x86-64 host can read; with another clock source it makes a call itself."""


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory) -> Path:
    return make_initramfs(PROGRAMS / "kernel_clock_init.c", tmp_path_factory.mktemp("clock"))


@pytest.mark.parametrize("mode", ["seccomp=on", "seccomp=off"])
def test_clocks_are_read_without_a_call(kernel, initramfs, mode):
    console = console_of(kernel, initramfs, mode)
    if Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip() in _READ_BY_PROGRAMS:
        passed(console, *_RIGHT, *_QUICK)
    else:
        for name in _QUICK:
            assert f"check {name} failed\n" in console
            console = console.replace(f"check {name} failed\n", "")
        passed(console, *_RIGHT)
