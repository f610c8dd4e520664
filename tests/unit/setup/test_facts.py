"""The configuration file that `make up` writes, and what set-up reads out of one."""

import json
import re
import tomllib

import pytest

from gaoler.configuration.model import Configuration, load
from gaoler.configuration.text import sample
from gaoler.setup import facts


def test_the_sample_changes_nothing(tmp_path):
    path = tmp_path / "gaoler.toml"
    path.write_text(sample())
    assert load(path) == Configuration()


def test_each_line_of_the_sample_is_the_default(tmp_path):
    sections = sample().partition("\n#[")[0]  # after those come the ones with names of one's own
    text = re.sub(r"^#(\w+ = .)", r"\1", sections, flags=re.MULTILINE)
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    assert load(path) == Configuration()
    assert tomllib.loads(text)["store"] == {"path": "/uml", "image": "/var/lib/gaoler/store.img", "size": "64G", "quotas": "simple"}


def test_what_set_up_reads(tmp_path, capsys):
    path = tmp_path / "gaoler.toml"
    path.write_text('[daemon]\nruntime = "/run/other"\n[store]\ndevice = "/dev/vg0/uml"\n')
    facts.main(str(path))
    answer = json.loads(capsys.readouterr().out)
    assert (answer["socket"], answer["device"], answer["store"]) == ("/run/other/gaoler.sock", "/dev/vg0/uml", "/uml")


@pytest.mark.parametrize("text", ["[daemon]\nruntme = '/run'\n", "[daemon\n"])
def test_a_mistake_is_handed_on_as_the_daemon_tells_it(tmp_path, capsys, text):
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    facts.main(str(path))
    what, why, _ = json.loads(capsys.readouterr().out)["error"]
    assert str(path) in what + why
