"""What users see of the store, and what they don't."""

from __future__ import annotations

import os
import stat

import pytest

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_store_and_kernels(gateway, alice):
    store = gateway.json("store", "info", user=alice)
    assert store["path"] == str(gateway.store)
    assert 0 < store["free"] < store["total"] == 16 << 30
    (kernel,) = gateway.json("kernel", "ls", user=alice)
    assert f"{kernel['version']}-{kernel['hash']}" == gateway.components.kernel_name
    assert kernel["default"]


def test_the_store_is_closed_to_users(gateway):
    """Trees of machines hold setuid programs of root's."""
    mode = (gateway.store / ".gaoler").stat()
    assert (mode.st_uid, stat.S_IMODE(mode.st_mode)) == (0, 0o700)
    flags = os.statvfs(gateway.store).f_flag
    assert flags & os.ST_NOSUID
    assert flags & os.ST_NODEV
