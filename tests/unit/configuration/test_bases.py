"""[base.NAME]."""

import pytest

from gaoler.configuration import file
from gaoler.errors import Usage


def load(tmp_path, text):
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    return file.load(path)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [('"never"', 0), ('"hourly"', 3600), ('"daily"', 86400), ('"weekly"', 604800), ('"90m"', 5400), ("60", 60)],
)
def test_intervals(tmp_path, value, seconds):
    assert load(tmp_path, f"[base.archlinux]\nsync = {value}\n").of_base("archlinux").sync == seconds


def test_a_base_without_a_table_has_the_defaults(tmp_path):
    of = load(tmp_path, "").of_base("debian")
    assert (of.sync, of.keep, of.shrink) == (0, 2, 50)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[base.arch]\n\nsnyc = "daily"\n', ":3: unknown key base.arch.snyc, did you mean sync?"),
        ('[base.arch]\nsync = "yearly"\n', ":2: base.arch.sync"),
        ("[base.arch]\nkeep = 0\n", ":2: base.arch.keep"),
        ('[base.bin]\nsync = "daily"\n', "valid name for a base"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path, text, told):
    with pytest.raises(Usage) as caught:
        load(tmp_path, text)
    assert told in caught.value.why
