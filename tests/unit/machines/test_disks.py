"""What a machine's kernel is told of its disk."""

from __future__ import annotations

import pytest

from gaoler.errors import NotFound
from gaoler.host.btrfs import Quota
from gaoler.machines import disks
from unit.machines.test_record import WEB

LIMITED = WEB.with_(disk=100)


@pytest.fixture
def counted(monkeypatch):
    def count(quota: Quota | None) -> None:
        monkeypatch.setattr("gaoler.host.btrfs.quota", lambda gaol: quota)

    return count


def test_used_is_what_is_counted(counted, tmp_path):
    counted(Quota(used=30, limit=100))
    assert disks.used(LIMITED, tmp_path) == 30


def test_what_full_quotas_count_of_the_base_is_left_out(counted, tmp_path):
    counted(Quota(used=1030, limit=1100))
    assert disks.used(LIMITED, tmp_path) == 30
    counted(Quota(used=990, limit=1100))  # it has deleted some of the base's files
    assert disks.used(LIMITED, tmp_path) == 0


def test_nothing_is_known_where_nothing_counts(counted, tmp_path, monkeypatch):
    counted(None)
    assert disks.used(LIMITED, tmp_path) is None

    def gone(gaol):
        raise NotFound("no such gaol")

    monkeypatch.setattr("gaoler.host.btrfs.quota", gone)
    assert disks.used(LIMITED, tmp_path) is None


def test_it_is_told_whole(counted, tmp_path):
    counted(Quota(used=30, limit=100))
    disks.tell(tmp_path / "disk", LIMITED, tmp_path)
    assert (tmp_path / "disk").read_text() == "100 30\n"
    counted(None)
    disks.tell(tmp_path / "disk", LIMITED, tmp_path)
    assert (tmp_path / "disk").read_text() == "100 0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_what_is_as_before_is_not_written_again(counted, tmp_path):
    counted(Quota(used=30, limit=100))
    told = disks.tell(tmp_path / "disk", LIMITED, tmp_path)
    (tmp_path / "disk").unlink()
    assert disks.tell(tmp_path / "disk", LIMITED, tmp_path, told) == told
    assert not (tmp_path / "disk").exists()
    counted(Quota(used=31, limit=100))
    disks.tell(tmp_path / "disk", LIMITED, tmp_path, told)
    assert (tmp_path / "disk").read_text() == "100 31\n"
