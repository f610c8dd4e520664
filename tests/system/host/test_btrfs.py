"""Subvolumes, snapshots and limits on a real btrfs."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from gaoler.errors import Failed, NotFound
from gaoler.host import btrfs, loop, mounts
from system.support.host import nothing_left_over, store  # noqa: F401 - fixtures

pytestmark = pytest.mark.root


def test_a_snapshot_is_a_copy_of_its_own(store):  # noqa: F811
    btrfs.create(store / "base")
    (store / "base/file").write_text("old")
    btrfs.snapshot(store / "base", store / "copy")
    (store / "copy/file").write_text("new")
    assert (store / "base/file").read_text() == "old"
    base, copy = btrfs.info(store / "base"), btrfs.info(store / "copy")
    assert copy.parent_uuid == base.uuid
    assert base.parent_uuid is None
    assert copy.id != base.id


def test_a_read_only_snapshot_can_be_opened_up(store):  # noqa: F811
    btrfs.create(store / "base")
    btrfs.snapshot(store / "base", store / "copy", readonly=True)
    with pytest.raises(OSError, match="Read-only"):
        (store / "copy/file").touch()
    assert btrfs.info(store / "copy").readonly
    btrfs.set_readonly(store / "copy", False)
    (store / "copy/file").touch()


def test_delete_takes_what_is_inside_and_follows_nothing(store):  # noqa: F811
    victim = store / "victim"
    btrfs.create(victim)
    (victim / "precious").touch()
    top = store / "top"
    btrfs.create(top)
    (top / "a").mkdir()
    btrfs.create(top / "a/one")
    btrfs.create(top / "a/one/two")
    (top / "a/one/link").symlink_to(victim)
    os.mkfifo(top / "a/one/two/fifo")
    btrfs.set_readonly(top / "a/one/two", True)
    btrfs.set_readonly(top, True)
    btrfs.delete(top)
    assert sorted(os.listdir(store)) == ["victim"]
    assert (victim / "precious").exists()
    btrfs.delete(top)  # gone already


def test_a_symlink_to_a_subvolume_is_none(store):  # noqa: F811
    btrfs.create(store / "real")
    (store / "link").symlink_to("real")
    assert btrfs.is_subvolume(store / "real")
    assert not btrfs.is_subvolume(store / "link")
    with pytest.raises(Failed):
        btrfs.delete(store / "link")
    assert (store / "real").is_dir()


def test_a_directory_is_no_subvolume(store):  # noqa: F811
    (store / "plain").mkdir()
    assert not btrfs.is_subvolume(store / "plain")
    for call in (btrfs.delete, btrfs.info, lambda path: btrfs.snapshot(path, store / "copy")):
        with pytest.raises(Failed):
            call(store / "plain")


def test_mistakes_have_their_names(store, tmp_path):  # noqa: F811
    btrfs.create(store / "one")
    with pytest.raises(Failed, match="exists already"):
        btrfs.create(store / "one")
    with pytest.raises(Failed, match="exists already"):
        btrfs.snapshot(store / "one", store / "one")
    with pytest.raises(NotFound):
        btrfs.snapshot(store / "none", store / "two")
    with pytest.raises(Failed, match="not on a btrfs"):
        btrfs.create(tmp_path / "x")


def write_until_refused(path):
    """Of 16 MiB."""
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="quota"):
        for _ in range(16):
            file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())


def test_a_limit_counts_what_a_clone_writes_itself(store):  # noqa: F811
    btrfs.create(store / "base")
    assert btrfs.quota(store / "base") is None
    assert btrfs.quotas(store) is None
    btrfs.enable_quotas(store)
    assert btrfs.quotas(store) == "simple"
    (store / "base/big").write_bytes(os.urandom(8 << 20))
    btrfs.snapshot(store / "base", store / "clone")
    btrfs.set_limit(store / "clone", 4 << 20)
    (store / "clone/waits").write_bytes(os.urandom(1 << 20))
    assert btrfs.quota(store / "clone").used >= 1 << 20  # before anything is on the disk
    write_until_refused(store / "clone/more")
    assert btrfs.quota(store / "clone").used >= 7 << 19
    btrfs.sync(store)
    assert btrfs.quota(store / "base").limit is None
    assert btrfs.quota(store / "base").used >= 8 << 20
    quota = btrfs.quota(store / "clone")
    assert quota.limit == 4 << 20
    assert 2 << 20 <= quota.used <= 4 << 20
    btrfs.set_limit(store / "clone", 64 << 20)
    (store / "clone/more").write_bytes(os.urandom(8 << 20))


def test_full_quotas_count_what_a_clone_shares_too(store):  # noqa: F811
    btrfs.create(store / "base")
    btrfs.wait_counted(store, 0)  # nothing to be counted
    btrfs.enable_quotas(store, "full")
    btrfs.wait_counted(store, 60)
    assert btrfs.quotas(store) == "full"
    (store / "base/big").write_bytes(os.urandom(8 << 20))
    btrfs.sync(store)
    btrfs.snapshot(store / "base", store / "clone")
    assert btrfs.quota(store / "clone").used >= 8 << 20
    btrfs.set_limit(store / "clone", 12 << 20)
    write_until_refused(store / "clone/more")
    btrfs.sync(store)
    assert 10 << 20 <= btrfs.quota(store / "clone").used <= 12 << 20


def test_counting_that_does_not_end_is_told(store, monkeypatch):  # noqa: F811
    monkeypatch.setattr(btrfs.ioctl, "rescanning", lambda _: True)
    with pytest.raises(Failed, match="still being counted"):
        btrfs.wait_counted(store, 0)


def test_what_a_group_may_write_outlives_its_subvolumes(store):  # noqa: F811
    """Written, kept by a snapshot, and given up: over and over, until the group has written what it may."""
    btrfs.create(store / "base")
    btrfs.enable_quotas(store)
    btrfs.snapshot(store / "base", store / "first")
    written = 0
    current = store / "first"
    for number in range(8):
        btrfs.set_limit(current, 16 << 20)
        btrfs.charge(current, 1000, 24 << 20)
        btrfs.charge(current, 1000, 24 << 20)
        with suppress(OSError), (current / f"file{number}").open("wb", buffering=0) as file:
            for _ in range(12):
                file.write(os.urandom(1 << 20))
                os.fsync(file.fileno())
                written += 1 << 20
        btrfs.snapshot(current, store / f"next{number}")
        btrfs.sync(store)
        btrfs.delete(current)
        current = store / f"next{number}"
    assert 16 << 20 <= written <= 24 << 20
    btrfs.charge(current, 1000, 64 << 20)
    (current / "more").write_bytes(os.urandom(1 << 20))


def test_what_is_given_away_counts_to_its_new_group_alone(store):  # noqa: F811
    """A snapshot of it as well, which is in the group that it was taken in."""
    btrfs.enable_quotas(store)
    btrfs.create(store / "one")
    btrfs.charge(store / "one", 1000, 8 << 20)
    (store / "one/large").write_bytes(os.urandom(6 << 20))
    btrfs.sync(store)
    btrfs.snapshot(store / "one", store / "kept")
    for path in (store / "one", store / "kept"):
        btrfs.charge(path, 1 << 32 | 1000, 32 << 20)
    btrfs.create(store / "later")
    btrfs.charge(store / "later", 1000, 8 << 20)
    (store / "later/fits").write_bytes(os.urandom(6 << 20))
    btrfs.sync(store)
    write_until_refused(store / "later/more")
    (store / "kept/more").write_bytes(os.urandom(20 << 20))
    btrfs.sync(store)


def test_all_groups_together_have_a_limit(store):  # noqa: F811
    """Each within its own, which nobody has here."""
    btrfs.enable_quotas(store)
    for uid in (1000, 1001):
        btrfs.create(store / f"of{uid}")
        btrfs.charge(store / f"of{uid}", uid, None, 24 << 20)
    (store / "of1000/fits").write_bytes(os.urandom(16 << 20))
    btrfs.sync(store)
    write_until_refused(store / "of1001/more")
    btrfs.sync(store)
    assert 4 << 20 <= btrfs.quota(store / "of1001").used <= 8 << 20
    btrfs.charge(store / "of1001", 1001, None, 48 << 20)
    (store / "of1001/again").write_bytes(os.urandom(1 << 20))
    btrfs.sync(store)


def test_a_store_is_made_once(tmp_path):
    image, target = tmp_path / "image", tmp_path / "a store"
    for _ in range(2):
        loop.ensure_store_image(image, 1 << 30)
        mounts.mount_store(loop.attach_loop(image), target)
    try:
        (target / "file").touch()
        assert len(loop.devices_of(image)) == 1
        assert image.stat().st_blocks * 512 < 64 << 20
        assert image.stat().st_mode & 0o077 == 0
        options = os.statvfs(target).f_flag
        assert options & os.ST_NOSUID
        assert options & os.ST_NODEV
    finally:
        mounts.unmount(target)
    loop.ensure_store_image(image, 1 << 30)
    mounts.mount_store(loop.attach_loop(image), target)
    try:
        assert (target / "file").exists()
    finally:
        mounts.unmount(target)
        mounts.unmount(target)
        loop.detach_loop(*loop.devices_of(image))
