"""One set-up at a time; and whatever the system refuses is told in a sentence."""

from __future__ import annotations

import errno
import os

import pytest

from gaoler.errors import Failed
from gaoler.setup import __main__ as setup
from gaoler.setup.locking import locked


def test_a_second_one_is_told_who_is_at_work(tmp_path):
    with locked(tmp_path):
        with pytest.raises(Failed, match=f"process {os.getpid()} ") as told, locked(tmp_path):
            pass
        assert told.value.hint == "ps -fC make"
        with locked(tmp_path / "another"):
            pass
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def purging(tmp_path, monkeypatch):
    """Runs `make purge` with something else in its place."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PREFIX", str(tmp_path))

    def run(does):
        monkeypatch.setattr(setup.purge, "purge", lambda *_: does())
        return setup.main(["purge"])

    return run


def test_it_holds_while_it_works(purging, tmp_path, capsys):
    def second():
        assert setup.main(["down"]) == 1

    assert purging(second) == 0
    assert f"gaoler: {tmp_path} is busy: process {os.getpid()} makes" in capsys.readouterr().err


def test_a_full_disk_is_no_traceback(purging, capsys):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/linux")

    assert purging(full) == 1
    assert capsys.readouterr().err == (
        "gaoler: make purge can't go on: /there/linux: No space left on device\n"
        "try: df -h; what is done stays, and the same command goes on from there\n"
    )


def test_nor_is_a_file_that_somebody_else_removes(purging, capsys):
    def gone():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/there/linux")

    assert purging(gone) == 1
    assert capsys.readouterr().err == (
        "gaoler: make purge can't go on: /there/linux: No such file or directory\n"
        "try: sudo make purge; what is done stays, and the same command goes on from there\n"
    )
