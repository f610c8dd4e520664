"""What is left of a day: who did what to whose machine, and why things ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from system.support.gateway import Gateway
from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def entries(gateway: Gateway) -> list[dict]:
    return [json.loads(line) for path in sorted((gateway.directory / "audit").iterdir()) for line in path.read_text().splitlines()]


def test_a_day_can_be_read_afterwards(gateway, alice, bob, warden):
    begun, noted = gateway.log.stat().st_size, len(entries(gateway))

    def said() -> str:
        return gateway.log.read_bytes()[begun:].decode()

    whose = f"{alice.name}/diary"
    with running(gateway, alice, "diary", "--no-network") as machine:
        assert machine.exec("true", "--password=secret").returncode == 0
        gateway.gaol("shell", "diary", user=alice, input="exit\n")
        assert gateway.gaol("set", "diary", "memory=64G", user=alice).returncode == 5
        pid = machine.info()["pid"]
        (row,) = gateway.json("top", "--pid", str(pid), user=warden)
        assert (row["owner"], row["name"]) == (alice.name, "diary")
        for other in (1, os.getpid(), 1 << 30):
            assert gateway.gaol("top", "--pid", str(other)).returncode == 3
        assert gateway.gaol("top", "--pid", str(pid), user=bob).returncode == 3, "whose it is, is not everybody's to know"
        os.kill(pid, signal.SIGKILL)
        until(lambda: machine.state == "failed", "it is seen")
        machine.up()
        gateway.gaol("down", whose, user=warden, check=True)
        assert gateway.gaol("down", whose, user=bob).returncode == 3
    lines = [line for line in until(lambda: f"{whose}: removed" in said() and said(), "all is told").splitlines() if whose in line]
    for words in (
        ("started, in ", " s, kernel ", f"asked by {alice.name}"), ("login as root", f"asked by {alice.name}"),
        ("limit of memory", "limits.memory is 2G"), ("crashed, after ", "killed by signal 9"),
        ("stopped, after ", f"asked by {warden.name}"), ("removed", f"asked by {alice.name}"),
    ):  # fmt: skip
        assert any(all(word in line for word in words) for line in lines), (words, lines)
    assert all(line.startswith("20") and " gaoler: " in line for line in lines), "each has its date"
    found = [one for one in entries(gateway)[noted:] if one.get("machine") == whose]
    assert [one["did"] for one in found if one["who"] is None] == ["crashed"]
    downs = [(one["who"], one["code"]) for one in found if one["did"] == "Down"]
    assert downs == [(warden.name, 0), (bob.name, 3)]
    assert {"Up", "Exec", "Remove"} <= {one["did"] for one in found if one["who"] == alice.name}
    assert "secret" not in str(found) + said()


def test_the_hosts_tools_show_whose_a_process_is(gateway, alice):
    """By its name, and by its control group, as `ps`, `top` and `systemd-cgls` do; a clone has its own, and not the first one's."""

    def named(name: str) -> str:
        pid = gateway.json("info", name, user=alice)["pid"]
        return subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout.strip()

    with running(gateway, alice, "shown", "--no-network") as machine:
        groups = Path(f"/proc/{machine.info()['pid']}/cgroup").read_text()
        assert re.search(rf"/{gateway.prefix}\.{alice.uid}/{gateway.prefix}-[0-9a-f]{{12}}$", groups, re.MULTILINE), groups
        assert named("shown") == f"{alice.name[:9]}:shown"
        gateway.gaol("clone", "shown", "twin", "--running", user=alice, check=True)
        try:
            assert named("twin") == f"{alice.name[:10]}:twin"
        finally:
            gateway.gaol("rm", "--force", "twin", user=alice)
