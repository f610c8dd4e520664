"""What others do on the host meanwhile stops no daemon."""

import pytest

from gaoler.errors import Failed
from gaoler.host.net import routing


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(routing, "_SYSCTL", tmp_path)
    for name, value in (("eth0", "1\n"), ("lo", "0\n")):
        (tmp_path / f"ipv6/conf/{name}").mkdir(parents=True)
        (tmp_path / f"ipv6/conf/{name}/accept_ra").write_text(value)
    return tmp_path / "ipv6/conf"


def test_an_interface_that_goes_while_all_are_looked_at_is_no_failure(settings):
    (settings / "veth1").mkdir()
    (settings / "veth1/accept_ra").symlink_to("gone")  # listed, and not there when it is read
    before = {}
    routing._keep_accepting_routes(before)
    assert before == {"ipv6/conf/eth0/accept_ra": "1"}
    assert (settings / "eth0/accept_ra").read_text() == "2"
    assert (settings / "lo/accept_ra").read_text() == "0\n"


def test_one_that_is_there_and_can_not_be_read_is(settings):
    (settings / "eth0/accept_ra").unlink()
    (settings / "eth0/accept_ra").mkdir()
    with pytest.raises((Failed, OSError)):
        routing._keep_accepting_routes({})
