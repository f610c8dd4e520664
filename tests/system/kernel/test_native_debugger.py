"""A debugger reads and writes registers, watches, steps and follows forks as on the host.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("debugger", tmp_path_factory.mktemp("debugger"))


def test_a_debugger_sees_what_it_sees_on_the_host(kernel, program, mode):
    right = native(program)
    assert right["watch"] == "6 hits"
    assert differences(right, inside(kernel, program, program.parent, mode)) == ""
