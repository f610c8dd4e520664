"""`int $0x80` from a 64-bit program makes the calls of i386, and gets past no filter.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("int80", tmp_path_factory.mktemp("int80"))


def test_the_calls_are_those_of_i386(kernel, program, mode):
    right = native(program)
    assert right["write"] == "30"
    assert differences(right, inside(kernel, program, program.parent, mode)) == ""
