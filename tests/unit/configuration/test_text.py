"""The configuration as text: the reference, and the file that `make up` writes."""

import re
import tomllib
from pathlib import Path

from gaoler.configuration import text
from gaoler.configuration.file import load
from gaoler.configuration.model import Configuration


def test_the_reference_is_of_this_code():
    page = Path(__file__).parents[3] / "docs/reference/configuration.md"
    assert page.read_text() == text.reference(), "python3 -m gaoler.configuration.text > docs/reference/configuration.md"


def test_the_sample_changes_nothing(tmp_path):
    path = tmp_path / "gaoler.toml"
    path.write_text(text.sample())
    assert load(path) == Configuration()


def test_each_line_of_the_sample_is_the_default(tmp_path):
    sections = text.sample().partition("\n#[")[0]  # after those come the ones with names of one's own
    written = re.sub(r"^#(\w+ = .)", r"\1", sections, flags=re.MULTILINE)
    path = tmp_path / "gaoler.toml"
    path.write_text(written)
    assert load(path) == Configuration()
    assert tomllib.loads(written)["store"] == {
        "path": "/uml",
        "image": "/var/lib/gaoler/store.img",
        "size": "64G",
        "quotas": "simple",
    }
