"""Faults of the processor tell a program what they tell it natively: signal, code, address, trap number and error code.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("faults", tmp_path_factory.mktemp("faults"))


def test_handlers_are_told_as_on_the_host(kernel, program, mode):
    right = native(program)
    console = inside(kernel, program, program.parent, mode)
    assert len(right) > 40
    assert differences(right, console) == ""
    assert "Attempted to relay" not in console, "breakpoints fill the kernel's log"
    assert "lost MM child" not in console
