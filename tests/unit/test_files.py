"""Files: written whole or not at all, and never through a link that somebody else has put there."""

import os
import threading

import pytest

from gaoler import files
from gaoler.errors import Failed


def test_it_takes_the_place_of_the_former_one(tmp_path):
    path = tmp_path / "gaoler.prom"
    files.replace(path, b"one 1\n", mode=0o644)
    with path.open("rb") as reader:
        files.replace(path, b"two 2\n", mode=0o644, durable=True)
        assert reader.read() == b"one 1\n", "who reads meanwhile reads one of the two, whole"
    assert path.read_bytes() == b"two 2\n"
    assert os.listdir(tmp_path) == ["gaoler.prom"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_its_mode_is_what_was_asked_for(tmp_path, mode):
    before = os.umask(0o077)
    try:
        files.replace(tmp_path / "file", b"", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode


def test_a_link_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "shadow"
    victim.write_text("root:x\n")
    path = tmp_path / "gaoler.prom"
    path.symlink_to(victim)
    files.replace(path, b"one 1\n")
    assert victim.read_text() == "root:x\n"
    assert not path.is_symlink()


def test_what_can_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "record.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "record.json", b"one 1\n")
    assert os.listdir(tmp_path) == ["record.json"]


def test_two_at_once_end_with_one_of_both(tmp_path):
    """Two `gaol ssh` of one user, say."""
    texts = [letter * 100_000 for letter in (b"a", b"b")]
    writers = [
        threading.Thread(target=lambda text=text: [files.replace(tmp_path / "file", text) for _ in range(50)]) for text in texts
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (tmp_path / "file").read_bytes() in texts
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_is_told(tmp_path):
    with pytest.raises(Failed, match="can't write"):
        files.write(tmp_path / "there" / "record.json", b"x", durable=True)
