"""Faults from outside, while machines run. After each, records and host agree (the fixtures look for what is left)."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gaoler.host.cgroup import owners
from system.support.machine import Machine
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]


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
    told = f"its kernel was killed by signal {number:d} ({number.name})"
    # Linux tells from 6.15 on, once init has reaped it.
    assert quiet.info()["reason"].startswith((told, "its kernel ended by itself", "its kernel panicked"))
    quiet.up()
    assert not quiet.info()["reason"]
    assert quiet.sh("cat /root/file") == "kept"


def test_a_kernel_that_stands_still_can_be_stopped(gateway, alice, quiet):
    os.kill(quiet.info()["pid"], signal.SIGSTOP)
    assert gateway.gaol("ls", user=alice).returncode == 0
    quiet.gaol("down", check=True)
    assert quiet.state == "stopped"
    quiet.up()


@pytest.mark.parametrize("work", ["before it has done anything", "with a state", "with a control group", "with processes there"])
def test_a_start_that_loses_crun_half_way_leaves_nothing(gateway, alice, work):
    """crun is killed as soon as so much of its work is seen; what is left of it is cleared, and the next start works."""
    own = owners.parent(gateway.prefix)
    groups = [Path(f"/sys/fs/cgroup/{own}"), Path(f"/sys/fs/cgroup/memory/{own}")]
    seen = {
        "before it has done anything": lambda: True,
        "with a state": lambda: any((gateway.runtime / "jails/state").glob(f"{gateway.prefix}-*")),
        "with a control group": lambda: any(
            group for root in groups for group in root.glob(f"{gateway.prefix}.*/{gateway.prefix}-*")
        ),
        "with processes there": lambda: any(
            procs.read_text() for root in groups for procs in root.glob(f"{gateway.prefix}.*/{gateway.prefix}-*/cgroup.procs")
        ),
    }[work]
    killed: list[int] = []
    over = threading.Event()

    def hunt() -> None:
        while not over.is_set() and not killed:
            with suppress(OSError):
                killed.extend(pid for pid in crun(gateway.process.pid) if seen() and not os.kill(pid, signal.SIGKILL))

    def started() -> bool:
        gateway.gaol("rm", "--force", "hunted", user=alice)
        gateway.gaol("up", "hunted", "--no-network", user=alice)
        return bool(killed)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        until(started, "a crun is caught", timeout=3 * PATIENCE)
        gateway.gaol("up", "hunted", "--no-network", user=alice, check=True)
    finally:
        over.set()
        hunter.join()
        gateway.gaol("rm", "--force", "hunted", user=alice)


def crun(daemon: int) -> list[int]:
    """Those of its children that are crun."""
    children = [int(pid) for task in Path(f"/proc/{daemon}/task").glob("*/children") for pid in task.read_text().split()]
    return [pid for pid in children if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"crun\0")]


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
