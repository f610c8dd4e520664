"""Processor time is the user's or the system's as the host would say.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("times", tmp_path_factory.mktemp("times"))


_WHERE_NOBODY_ELSE_IS = {
    "computing, /proc/stat": "the user's",
    "computing, control group": "the user's",
    "asking the system, /proc/stat": "the system's",
    "asking the system, control group": "the system's",
}


def test_time_is_charged_as_on_the_host(kernel, program, mode):
    right = native(program)
    assert right["a child's"] == "the system's"
    assert differences(right | _WHERE_NOBODY_ELSE_IS, inside(kernel, program, program.parent, mode)) == ""
