"""The file of metrics: whole, readable for all, and never through a link that somebody else has put there."""

import pytest

from gaoler.daemon.metrics_file import replace


def test_it_takes_the_place_of_the_former_one(tmp_path):
    path = tmp_path / "gaoler.prom"
    replace(path, b"one 1\n")
    with path.open("rb") as reader:
        replace(path, b"two 2\n")
        assert reader.read() == b"one 1\n", "who reads meanwhile reads one of the two, whole"
    assert path.read_bytes() == b"two 2\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "shadow"
    victim.write_text("root:x\n")
    path = tmp_path / "gaoler.prom"
    path.symlink_to(victim)
    replace(path, b"one 1\n")
    assert victim.read_text() == "root:x\n"
    assert not path.is_symlink()


def test_what_can_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "gaoler.prom").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace(tmp_path / "gaoler.prom", b"one 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["gaoler.prom"]
