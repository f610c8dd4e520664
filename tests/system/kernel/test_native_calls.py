"""Calls that programs have come to expect are there.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("calls", tmp_path_factory.mktemp("calls"))


def test_calls_answer_as_on_the_host(kernel, program, mode):
    right = native(program)
    assert right["userfaultfd"] == "there"
    assert differences(right, inside(kernel, program, program.parent, mode)) == ""
