"""Memory in a machine, without the rest of gaoler: what kernel/patches 0020 to 0028 do to faults and forks is not seen.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from system.support.kernel_machine import PROGRAMS, console_of, kernel_fixture, make_initramfs  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory) -> Path:
    return make_initramfs(PROGRAMS / "kernel_memory_init.c", tmp_path_factory.mktemp("memory"))


@pytest.mark.parametrize("mode", ["seccomp=on", "seccomp=off"])
def test_each_process_sees_what_it_wrote_itself(kernel, initramfs, mode):
    assert "memory right\n" in console_of(kernel, initramfs, mode)
