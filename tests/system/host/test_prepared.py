"""What the daemon prepares on a host for as many machines as there are ids for."""

from __future__ import annotations

import os

import pytest

from gaoler.host import cgroup

pytestmark = [pytest.mark.root]

_MACHINES = 16384
"""What the range of ids is enough for as it is configured by default: 2^30 of 2^16 each."""


def test_what_hides_the_unified_hierarchy_has_room_for_all_machines(gateway):
    """crun leaves a file, so a page, for each machine there. 256 of them were the end of it once."""
    if cgroup.host().in_the_way() is None:
        pytest.skip("only where control groups are of both versions")
    hidden = os.statvfs(f"/proc/{gateway.process.pid}/root/sys/fs/cgroup/unified")
    assert hidden.f_blocks >= _MACHINES
    assert hidden.f_files >= 3 * _MACHINES, "a directory and a few files"
