"""What set-up reads out of a configuration."""

import json

import pytest

from gaoler.setup import facts


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
