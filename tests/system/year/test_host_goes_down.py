"""The host goes down, as planned or not, and comes up again: who is told, what sleeps, what starts, and what is nobody's failure."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from system.support import leftovers
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def power_cut(gateway: Gateway) -> None:
    """Nothing of the gateway's is left but its disk; but for a page that other tests have."""
    gateway.kill()
    for group in leftovers.groups(gateway.prefix):
        until(lambda group=group: emptied(group), f"{group} is empty")
    gateway.gaoler("--close")
    for one in gateway.runtime.iterdir():
        if not one.name.startswith("web"):
            shutil.rmtree(one) if one.is_dir() else one.unlink()


def emptied(group: Path) -> bool:
    with suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        group.rmdir()
    return not group.exists()


def was_started(machine: Machine, since: int) -> bool:
    """Whether the daemon's log says so from that byte on."""
    return f"{machine.user.name}/{machine.name}: started" in machine.gateway.log.read_bytes()[since:].decode()


def test_what_is_to_start_with_the_host_does_and_nothing_else(gateway, alice, bob):
    with (
        running(gateway, alice, "web", "--no-network") as web, running(gateway, alice, "other", "--no-network") as other,
        running(gateway, bob, "db", "--no-network") as db, running(gateway, bob, "old", "--no-network") as old,
    ):  # fmt: skip
        assert "autostart changed" in web.gaol("set", "autostart=yes", check=True).stdout
        for machine in (db, old):
            machine.gaol("set", "autostart=on", check=True)
            machine.gaol("down", check=True)
        assert "starts with this host" in web.gaol("info", check=True).stdout
        with running(gateway, bob, "third", "--no-network") as third:
            refused = third.gaol("set", "autostart=yes")
            assert refused.returncode == 5
            assert "limits.autostart is 2" in refused.stderr
            old.gaol("set", "autostart=no", check=True)
            third.gaol("set", "autostart=yes", check=True)
        begun = gateway.log.stat().st_size
        gateway.restart(signal.SIGKILL)
        until(lambda: web.state == "ready", "what runs is taken over")
        assert db.state == "stopped", "the daemon has started, and not the host"
        try:
            power_cut(gateway)
            assert not was_started(db, begun)
        finally:
            gateway.start()
        for machine in (web, db):
            until(lambda machine=machine: machine.state == "ready", f"{machine.name} starts with the host")
        until(lambda: (gateway.runtime / "boot").exists(), "the start of the host is over")
        assert was_started(db, begun)
        assert other.state == "stopped"
        assert "the host went down while it ran" in other.gaol("info", check=True).stdout
        assert old.state == "stopped"
        db.gaol("down", check=True)
        pid = other.up() and other.info()["pid"]
        begun = gateway.log.stat().st_size
        gateway.kill()
        os.kill(pid, signal.SIGKILL)
        gateway.start()
        until(lambda: other.state == "failed", "while the host was up, that is a failure")
        assert db.state == "stopped"
        assert not was_started(db, begun)


def test_a_host_is_drained(gateway, alice, bob, warden):
    with running(gateway, alice, "web", "--no-network") as web:
        try:
            web.sh("printf '#!/bin/sh\\necho \"$@\" >> /root/told\\n' > /usr/local/sbin/wall; chmod +x /usr/local/sbin/wall")
            assert gateway.gaol("drain", user=alice).returncode == 4
            assert "is not drained" in gateway.gaol("drain", "--status", user=alice, check=True).stdout
            said = gateway.gaol("drain", "--in", "2h", "--why", "another kernel", user=warden, check=True).stdout
            assert f"drained by {warden.name} (another kernel): nothing starts, 1 machine running" in said
            told = until(lambda: web.exec("cat", "/root/told").stdout, "who works in a machine is told")
            assert "web is put to sleep in 1h59m" in told
            assert "another kernel" in told
            for words in (["up", "new", "--no-network"], ["run", "--no-network", "--", "true"]):
                refused = gateway.gaol(*words, user=bob)
                assert refused.returncode == 5
                assert f"{warden.name} drains this host (another kernel)" in refused.stderr
            gateway.restart(signal.SIGKILL)
            assert gateway.gaol("run", "--no-network", "--", "true", user=bob).returncode == 5, "also for another daemon"
            assert gateway.json("ls", user=bob) == []

            pid = web.sh("sleep 1000 > /dev/null 2>&1 & echo $!")
            gateway.gaol("drain", "--in", "0s", "--wait", check=True)
            assert web.state == "asleep"
            assert web.exec("true").returncode == 5
            assert web.state == "asleep"
            assert not gateway.json("drain", "--end")["drain"]
            assert web.sh(f"kill -0 {pid}; echo goes on") == "goes on"

            web.gaol("set", "autostart=yes", check=True)
            assert "done" in gateway.gaol("drain", "--in", "0s", "--down", "--wait", check=True).stdout
            assert web.state == "stopped"
            assert "the host was drained" in web.gaol("info", check=True).stdout
        finally:
            gateway.gaol("drain", "--end")
        until(lambda: web.state == "ready", "what starts with the host starts when the drain ends")
