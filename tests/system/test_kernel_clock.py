"""Clocks in a machine, without the rest of gaoler: programs read them without a system call, and they are the kernel's all the same.

GAOLER_TEST_KERNEL names the kernel; kernel/patches has how.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from system.kernel_machine import console_of, kernel_fixture, make_initramfs, passed  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory) -> Path:
    return make_initramfs(Path(__file__).with_name("kernel_clock_init.c"), tmp_path_factory.mktemp("clock"))


@pytest.mark.parametrize("mode", ["seccomp=on", "seccomp=off"])
def test_clocks_are_read_without_a_call(kernel, initramfs, mode):
    passed(
        console_of(kernel, initramfs, mode),
        "they begin with the machine", "no call is made", "no clock goes back", "nor that of many processes",
        "a clock that is set", "a time namespace", "signals", "resolution",
        "the host is not called", "the kernel is asked instead", "and is right",
    )  # fmt: skip
