"""What the host's kernel lacks for the guard is told."""

import pytest

from gaoler.configuration.model import Configuration
from gaoler.daemon import doctor
from gaoler.errors import Failed
from gaoler.host.net import classifying


def frames(mode):
    network = {"mode": mode} | ({"bridge": "br0"} if mode == "bridge" else {})
    (found,) = [check for check in doctor.run_on(Configuration.model_validate({"network": network})) if check.name == "frames"]
    return found


@pytest.mark.parametrize(("mode", "then"), [("bridge", "DHCP servers"), ("private", "checksums")])
def test_a_kernel_without_programs_at_interfaces_is_told(monkeypatch, mode, then):
    def lacks():
        raise Failed("the kernel has no programs look at frames", "No such file or directory", "modprobe cls_bpf sch_ingress")

    monkeypatch.setattr(classifying, "check", lacks)
    found = frames(mode)
    assert not found.good
    assert then in found.found
    assert "No such file or directory" in found.found
    assert found.hint == "modprobe cls_bpf sch_ingress"


def test_who_may_not_look_is_told_so(monkeypatch):
    def refused():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(classifying, "check", refused)
    found = frames("private")
    assert found.good
    assert "root" in found.found


def test_without_a_network_nothing_is_looked_for(monkeypatch):
    monkeypatch.setattr(classifying, "check", lambda: pytest.fail("it was looked for"))
    assert frames("none").good
