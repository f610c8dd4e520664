"""A seccomp filter, and the SIGSYS of one, see the registers of the call: Chromium and Firefox check that.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import pytest

from system.support.kernel_machine import kernel_fixture  # noqa: F401
from system.support.native import build, differences, inside, mode_fixture, native  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", name="program")
def program_fixture(tmp_path_factory):
    return build("sandbox", tmp_path_factory.mktemp("sandbox"))


def test_filters_see_what_they_see_on_the_host(kernel, program, mode):
    right = native(program)
    assert "address right ip right rax 95" in right["trap handler"]
    assert differences(right, inside(kernel, program, program.parent, mode)) == ""
