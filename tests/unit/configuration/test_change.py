"""A setting is changed in the text of a configuration, whose comments stay."""

from __future__ import annotations

import tomllib

import pytest

from gaoler.configuration import change
from gaoler.errors import Failed

SAMPLE = """# of mine
[daemon]
[store]  # where
# the block device
#device =
size = "8G"
[limits]
device = "another"
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SAMPLE, 'device = "/dev/x"\n# the block device'),
        (SAMPLE.replace("#device =", 'device = "/dev/old" # old'), '# the block device\ndevice = "/dev/x"\nsize'),
        ("", '[store]\ndevice = "/dev/x"\n'),
        ('[limits]\ndevice = "another"\n', 'device = "another"\n\n[store]\ndevice = "/dev/x"\n'),
    ],
)
def test_one_line_changes(tmp_path, text, told):
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    path.chmod(0o640)
    change.put(path, "store", "device", "/dev/x")
    changed = path.read_text()
    assert told in changed
    assert tomllib.loads(changed)["store"]["device"] == "/dev/x"
    assert tomllib.loads(changed).get("limits") == tomllib.loads(text).get("limits")
    assert path.stat().st_mode & 0o777 == 0o640
    for line in text.splitlines():
        assert line in changed or line.startswith("device =")


@pytest.mark.parametrize("text", ['store = { size = "8G" }\n', "store.size = 8\n", "[store\n"])
def test_a_text_that_a_line_does_not_change_stays(tmp_path, text):
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    with pytest.raises(Failed) as told:
        change.put(path, "store", "device", "/dev/x")
    assert told.value.hint == f'sudo editor {path}  (device = "/dev/x")'
    assert path.read_text() == text
