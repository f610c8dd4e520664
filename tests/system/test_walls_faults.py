"""Faults from outside, while machines run. After each, records and host agree (the fixtures look for what is left)."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from system.support.machine import Machine
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

MACHINES = 8
"""Started and stopped at once while the daemon is killed: what two processors do in a minute."""


def guarded(gateway) -> str:
    words = ["nft", "list", "map", "bridge", f"{gateway.prefix}_guard", "machines"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def reachable(machine: Machine) -> bool:
    return not subprocess.run(["ping", "-c1", "-W1", machine.address], capture_output=True, check=False).returncode


def delete_rules(gateway) -> None:
    """What `nft flush ruleset` does to us, and to nobody else on this host."""
    subprocess.run(["nft", "delete", "table", "bridge", f"{gateway.prefix}_guard"], check=True)


def test_flushed_rules_are_put_back_at_once(gateway, web):
    ports = guarded(gateway)
    assert "goto port_" in ports
    delete_rules(gateway)
    until(lambda: guarded(gateway) == ports, "the guard is there again")
    assert reachable(web)


def test_rules_flushed_while_no_daemon_runs_are_put_back_by_the_next(gateway, web):
    ports = guarded(gateway)
    gateway.kill()
    delete_rules(gateway)
    gateway.start()
    assert guarded(gateway) == ports
    assert reachable(web)


def test_a_deleted_tap_costs_that_machine_its_network_and_nothing_else(gateway, web):
    (tap,) = (link.name for link in Path("/sys/class/net").glob(f"{gateway.prefix}[0-9a-f]*") if link.name != gateway.bridge)
    subprocess.run(["ip", "link", "delete", tap], check=True)
    assert web.exec("echo", "there", timeout=30).stdout == "there\n"
    web.gaol("down", check=True)
    web.up()
    assert reachable(web)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_kernel_that_dies_is_told_as_failed_and_starts_again(gateway, quiet, number):
    quiet.sh("echo kept > /root/file; sync")
    os.kill(quiet.info()["pid"], number)
    until(lambda: quiet.state == "failed", "its death is noticed")
    assert quiet.info()["reason"]
    quiet.up()
    assert quiet.sh("cat /root/file") == "kept"


def test_a_kernel_that_stands_still_can_be_stopped(gateway, alice, quiet):
    os.kill(quiet.info()["pid"], signal.SIGSTOP)
    assert gateway.gaol("ls", user=alice).returncode == 0
    quiet.gaol("down", check=True)
    assert quiet.state == "stopped"
    quiet.up()


def test_a_start_that_loses_crun_half_way_leaves_nothing(gateway, alice):
    """crun is killed at moments of chance; what is left of it is cleared, and the next start works."""
    killed = threading.Event()
    done = threading.Event()

    def hunt() -> None:
        daemon = Path(f"/proc/{gateway.process.pid}/task")
        while not done.is_set():
            for children in daemon.glob("*/children"):
                try:
                    for child in children.read_text().split():
                        if Path(f"/proc/{child}/cmdline").read_text().startswith("crun\0"):
                            time.sleep(random.random() * 0.01)
                            os.kill(int(child), signal.SIGKILL)
                            killed.set()
                except OSError:
                    continue

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        codes = [gateway.gaol("up", "hunted", "--no-network", user=alice).returncode for _ in range(4)]
    finally:
        done.set()
        hunter.join()
        gateway.gaol("up", "hunted", "--no-network", user=alice, check=True)
        gateway.gaol("rm", "--force", "hunted", user=alice, check=True)
    assert killed.is_set(), f"no crun was caught: {codes}"


def test_stale_sockets_and_reused_pids(gateway, alice, quiet):
    """What a daemon and a machine left behind names processes that are others by now."""
    pid = quiet.info()["pid"]
    gateway.kill()
    os.kill(pid, signal.SIGKILL)
    (live,) = (gateway.runtime / "machines").glob("*/live.json")
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        live.write_text(live.read_text().replace(f'"pid": {pid}', f'"pid": {innocent.pid}'))
        assert gateway.socket.exists(), "the socket of the one that was killed"
        gateway.start()
        assert quiet.state == "failed"
        quiet.up()
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_daemon_out_of_descriptors_recovers(gateway, alice, quiet):
    process = gateway.process.pid
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{process}/fd")) + 3, hard))
    try:
        done = subprocess.run(["timeout", "5", gateway.program, "up", "starved", "--no-network"], check=False,
                              capture_output=True, stdin=subprocess.DEVNULL, **gateway.options(alice))  # fmt: skip
        assert done.returncode != 0
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: gateway.gaol("ls", user=alice).returncode == 0, "it serves again")
    assert quiet.state == "ready"
    gateway.gaol("up", "starved", "--no-network", user=alice, check=True)
    gateway.gaol("rm", "--force", "starved", user=alice, check=True)


def test_many_starts_and_stops_while_the_daemon_is_killed_three_times(gateway, alice):
    names = [f"many{number}" for number in range(MACHINES)]

    def until_done(*words: str) -> None:
        until(lambda: gateway.gaol(*words, user=alice, timeout=120).returncode == 0, " ".join(words), timeout=200)

    def killer() -> None:
        for _ in range(3):
            time.sleep(1.5 + random.random())
            gateway.restart(signal.SIGKILL)

    for verb in ("up", "down"):
        with ThreadPoolExecutor(MACHINES + 1) as pool:
            kills = pool.submit(killer)
            list(pool.map(lambda name, verb=verb: until_done(verb, name), names))
            kills.result()
        there = {machine["name"]: machine for machine in gateway.json("ls", user=alice)}
        assert sorted(there) == names, "none lost, none twice"
        if verb == "up":
            assert len({machine["address"] for machine in there.values()}) == MACHINES
            assert len({machine["pid"] for machine in there.values()}) == MACHINES
            groups = set(Path("/sys/fs/cgroup").glob(f"memory/{gateway.prefix}-*")) or set(
                Path("/sys/fs/cgroup").glob(f"{gateway.prefix}-*")
            )
            assert len(groups) == MACHINES
        else:
            assert {machine["pid"] for machine in there.values()} == {None}
    gateway.remove_machines()


def test_a_power_cut_leaves_bases_whole_and_records_that_agree(gateway, alice, tmp_path):
    """What the store's device holds at moments of chance, while machines come, are snapshot and go; mounted again.

    Frozen for the copy, so that it is of one moment: what btrfs had committed. It shows the order of our steps; that btrfs
    itself survives a cut within a commit is btrfs' own to show.
    """
    gateway.gaol("up", "steady", "--no-network", user=alice, check=True)
    stopped = threading.Event()

    def work() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            gateway.gaol("up", f"cut{number}", "--no-network", user=alice)
            gateway.gaol("snapshot", f"cut{number}", "one", user=alice)
            gateway.gaol("rm", "--force", f"cut{number}", user=alice)

    worker = threading.Thread(target=work)
    worker.start()
    copies = [gateway.directory / f"cut{number}.img" for number in range(3)]
    try:
        for copy in copies:
            time.sleep(random.random())
            subprocess.run(["fsfreeze", "--freeze", gateway.store], check=True)
            try:
                subprocess.run(["cp", "--sparse=always", gateway.directory / "store.img", copy], check=True)
            finally:
                subprocess.run(["fsfreeze", "--unfreeze", gateway.store], check=True)
    finally:
        stopped.set()
        worker.join()
    for copy in copies:
        point = tmp_path / copy.name
        point.mkdir()
        subprocess.run(["mount", "-o", "loop,ro", copy, point], check=True)
        try:
            assert (point / "debian/etc/passwd").stat().st_size > 0, "the base is whole"
            shown = subprocess.run(
                ["btrfs", "property", "get", point / "debian", "ro"], capture_output=True, text=True, check=True
            )
            assert shown.stdout.strip() == "ro=true"
            recorded = {path.parent.name for path in (point / ".gaoler/machines").glob("*/record.json")}
            assert recorded >= {path.name for path in (point / ".gaoler/gaols").iterdir()}, "no tree without a record"
            assert recorded >= {path.name for path in (point / ".gaoler/snapshots").iterdir()}
        finally:
            subprocess.run(["umount", point], check=True)
            copy.unlink()
    gateway.remove_machines()
