"""The daemon dies at every named moment of its work; after a restart records, store and host agree, and all can go on."""

from __future__ import annotations

import pytest

from gaoler.machines.failpoints import MOMENTS
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine]

STEPS = {
    "create": [["up", "web"]],
    "start": [["up", "web"]],
    "stop": [["down", "web"]],
    "release": [["down", "web"]],
    "remove": [["rm", "web"]],
    "snapshot": [["snapshot", "web", "now"]],
    "restore": [["down", "web"], ["restore", "web", "before"]],
    "diff": [["diff", "web", "before"]],
    "copy": [["snapshot", "web", "now", "--memory"]],
    "clone": [["clone", "web", "twin", "--running"]],
    "another": [["clone", "web", "twin", "--running"]],
    "sleep": [["sleep", "web"]],
    "wake": [["sleep", "web"], ["exec", "web", "true"]],
    "resume": [["snapshot", "web", "now", "--memory"], ["down", "web"], ["restore", "web", "now"]],
}
"""What passes the moments of that name; those of machines that are thrown away have tests beside these (machines/test_ahead)."""


@pytest.fixture
def fails_at(gateway, monkeypatch):
    """Restart the daemon so that it dies at a moment; mended at the end whatever happened."""

    def arm(moment):
        monkeypatch.setenv("GAOLER_FAILPOINT", moment)
        gateway.restart()
        monkeypatch.delenv("GAOLER_FAILPOINT")

    yield arm
    monkeypatch.delenv("GAOLER_FAILPOINT", raising=False)
    if gateway.process:
        gateway.restart()
    else:
        gateway.start()
    gateway.remove_machines()


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment.partition(".")[0] in STEPS])
def test_the_daemon_dies_and_all_goes_on(gateway, alice, fails_at, moment):
    verb = moment.partition(".")[0]
    gaol = lambda *words, **options: gateway.gaol(*words, user=alice, **options)
    gaol("up", "bystander", "--no-network", check=True)
    pid = gateway.json("info", "bystander", user=alice)["pid"]
    if verb not in ("create", "start"):
        gaol("up", "web", check=True)
        gaol("exec", "web", "--", "sh", "-c", "echo kept > /root/file", check=True)
        gaol("snapshot", "web", "before", check=True)
    fails_at(moment)
    codes = [gaol(*words).returncode for words in STEPS[verb]]
    assert gateway.process is not None
    assert gateway.process.wait(PATIENCE) == -9, f"nothing passed {moment}: {codes}"
    assert codes[-1] == 6
    gateway.process = None
    gateway.start()

    machines = {machine["name"]: machine for machine in gateway.json("ls", user=alice)}
    assert machines["bystander"]["pid"] == pid, "a machine that ran runs on"
    assert gaol("exec", "bystander", "--", "echo", "there").stdout == "there\n"
    if verb == "remove":
        assert "web" not in machines, "what was to go has gone"
    elif moment == "create.recorded":
        assert "web" not in machines, "a machine without files never was"
    else:
        assert machines["web"]["state"] in ("stopped", "failed", "ready", "starting", "asleep"), machines["web"]
    gaol("up", "web", check=True)
    if verb not in ("create", "start", "remove"):
        assert gaol("exec", "web", "--", "cat", "/root/file").stdout == "kept\n"
    assert gateway.json("info", "web", user=alice)["state"] == "ready"
    if verb == "restore":
        assert gateway.json("info", "web", user=alice)["snapshots"] == ["before"]
