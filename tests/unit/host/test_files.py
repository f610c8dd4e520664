"""Files: written whole or not at all."""

import os

import pytest

from gaoler.errors import Failed
from gaoler.host import files


def test_writing_replaces_at_once(tmp_path):
    path = tmp_path / "record.json"
    for text in (b"one", b"two"):
        files.write(path, text, durable=True)
        assert path.read_bytes() == text
    assert os.listdir(tmp_path) == ["record.json"]


def test_a_failed_write_leaves_the_old_one(tmp_path):
    path = tmp_path / "there" / "record.json"
    with pytest.raises(Failed, match="can't write"):
        files.write(path, b"x", durable=True)
