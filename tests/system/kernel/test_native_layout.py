"""A program lies where chance has it, unless told not to, and can't execute its stack and data.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("layout", tmp_path_factory.mktemp("layout"), "-static-pie")


def test_memory_is_laid_out_as_on_the_host(kernel, program, mode):
    right = native(program)
    assert right["text, as it is"] == "random"
    assert right["text, not randomized"] == "the same"
    assert differences(right, inside(kernel, program, program.parent, mode)) == ""
