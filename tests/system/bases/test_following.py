"""Bases that are brought up to date at intervals, and masters reached by ssh."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from system.support.bases import Master, base_fixture, set_last_sync, small_tree, source_fixture  # noqa: F401 - fixtures too
from system.support.gateway import Gateway
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]
ADDRESS = "127.0.0.77"


@pytest.fixture
def configured(gateway: Gateway):
    """Restart the daemon with further settings, by section."""
    yield gateway.restart
    gateway.restart()


def test_the_daemon_syncs_what_is_due(gateway: Gateway, source: Master, base: str, configured):
    (source.tree / "etc/told").write_text("new\n")
    set_last_sync(gateway, "small", time=time.time() - 90_000)
    configured(base={"small": {"sync": "daily"}})
    until((gateway.store / "small/etc/told").exists, "the daemon has synced the base")
    until(lambda: gateway.json("base", "info", "small")["result"] == "new", "and noted it")
    assert gateway.json("base", "info", "small")["interval"] == 86400


def syncs_are_good(gateway: Gateway) -> bool:
    """What `gaol doctor` says."""
    (check,) = (check for check in json.loads(gateway.gaol("doctor", "--json").stdout) if check["name"] == "syncs")
    assert check["good"] or "small for 3d" in check["found"]
    return bool(check["good"])


def test_what_is_due_is_synced_and_nothing_else(gateway: Gateway, source: Master, base: str, configured):
    configured(base={"small": {"sync": "daily"}})
    due = ("base", "sync", "--due", "--json")
    assert json.loads(gateway.gaol(*due, check=True).stdout) == [], "it was made a moment ago"
    (source.tree / "etc/told").write_text("new\n")
    set_last_sync(gateway, "small", time=time.time() - 90_000)
    assert [one["name"] for one in json.loads(gateway.gaol(*due, check=True).stdout)] == ["small"]
    assert (gateway.store / "small/etc/told").exists()
    set_last_sync(gateway, "small", time=time.time() + 90_000)
    assert json.loads(gateway.gaol(*due, check=True).stdout), "a clock that was wrong does not stop syncs for good"

    (source.tree / "usr/bin/sh").rename(source.tree / "usr/bin/hidden")
    set_last_sync(gateway, "small", time=time.time() - 90_000)
    failed = gateway.gaol(*due)
    assert failed.returncode == 1 and json.loads(failed.stdout)[0]["result"] == "failed"
    assert json.loads(gateway.gaol(*due, check=True).stdout) == [], "a failure is tried again in an hour, not at once"
    set_last_sync(gateway, "small", time=time.time() - 4000)
    assert gateway.gaol(*due).returncode == 1
    assert gateway.json("base", "info", "small")["failures"] == 2
    assert syncs_are_good(gateway), "yesterday's is good enough"
    set_last_sync(gateway, "small", good=time.time() - 3 * 86400)
    assert not syncs_are_good(gateway)
    assert gateway.gaol("run", "--base", "small", "--no-network", "--", "true").returncode == 0

    (source.tree / "usr/bin/hidden").rename(source.tree / "usr/bin/sh")
    gateway.gaol("base", "rollback", "small", check=True)
    set_last_sync(gateway, "small", time=time.time() - 90_000)
    assert json.loads(gateway.gaol(*due, check=True).stdout) == [], "a base that was rolled back is left alone"


@pytest.fixture
def ssh_master(tmp_path: Path):
    """A tree behind an sshd of its own, with a gateway's key let in."""
    small_tree(tmp_path / "tree")
    for name in ("host", "gateway"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    shutil.copy(tmp_path / "gateway.pub", tmp_path / "authorized")
    host_key = " ".join((tmp_path / "host.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"{ADDRESS} {host_key}\n")
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress {ADDRESS}:22\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/authorized\n"
        "StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nPidFile none\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: subprocess.run(["ssh-keyscan", ADDRESS], capture_output=True, check=False).stdout, "sshd answers")
        yield tmp_path
    finally:
        server.terminate()
        server.wait()


def test_by_ssh_with_a_known_host_key_alone(gateway: Gateway, ssh_master: Path, configured):
    configured(masters={"identity": str(ssh_master / "gateway"), "known_hosts": str(ssh_master / "known")})
    source = f"root@{ADDRESS}:{ssh_master}/tree"
    done = gateway.gaol("base", "add", "secure", "--rsync", source)
    assert done.returncode == 0, done.stderr
    try:
        (ssh_master / "tree/etc/told").write_text("new\n")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh_master / "other"], check=True)
        other = " ".join((ssh_master / "other.pub").read_text().split()[:2])
        known = (ssh_master / "known").read_text()
        for text in (f"{ADDRESS} {other}\n", ""):
            (ssh_master / "known").write_text(text)
            done = gateway.gaol("base", "sync", "secure")
            assert done.returncode == 1 and "host key" in done.stderr, done.stderr
            assert not (gateway.store / "secure/etc/told").exists()
        (ssh_master / "known").write_text(known)
        gateway.gaol("base", "sync", "secure", check=True)
        assert (gateway.store / "secure/etc/told").read_text() == "new\n"
    finally:
        gateway.gaol("base", "rm", "secure", check=True)
