"""Machines that sleep: nothing of them is left on the host but files, and they go on where they were when they are used."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from system.machines.test_clones import first_fixture  # noqa: F401 - a fixture
from system.machines.test_copies import turns
from system.support.machine import Machine, running
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def sleep(machine: Machine) -> None:
    machine.gaol("sleep", check=True)
    assert machine.state == "asleep"


def test_a_machine_sleeps_and_goes_on(gateway, alice, first):
    pid, before = turns(first, 0)
    (alice.home / "note").write_text("before")
    home = first.sh(f"cat {alice.home}/note", guest_user=alice.name)
    process = Path(f"/proc/{first.info()['pid']}")
    with closing(socket.create_connection((first.address, 7000), PATIENCE)) as connection:
        connection.sendall(b"before")
        assert connection.recv(100) == b"before"
        sleep(first)
        until(lambda: not process.exists(), "its process has gone")
        assert not [tap for tap in Path("/sys/class/net").glob(f"{gateway.prefix}[0-9a-f]*") if tap.name != gateway.bridge]
        (kept,) = (gateway.store / ".gaoler/memory").glob("*/.asleep")
        assert {path.name: path.stat().st_mode & 0o777 for path in kept.iterdir()} == {
            "memory": 0o600, "state": 0o600, "note.json": 0o600,
        }  # fmt: skip
        (alice.home / "note").write_text("after")
        assert first.sh("hostname") == "first"
        assert first.state == "ready"
        assert turns(first, before)[0] == pid, "the same program goes on"
        connection.sendall(b"after")
        assert connection.recv(100) == b"after", "and so does a connection whose other end was there all the time"
    assert home == "before"
    assert first.sh(f"cat {alice.home}/note", guest_user=alice.name) == "after"
    assert abs(float(first.sh("date +%s")) - time.time()) < 30, "its clock is right"
    until(lambda: not kept.exists(), "what it slept on is gone")


def test_whoever_uses_it_wakes_it(gateway, alice, first):
    pid, _ = turns(first, 0)
    for how in ("ssh", "up", "up, after a look at its name", "a connection", "a connection by IPv6"):
        sleep(first)
        info = first.info()
        if how == "ssh":
            assert gateway.gaol("ssh", "first", "--", "hostname", user=alice, check=True).stdout == "first\n"
        elif how == "up":
            assert first.up().stdout == f"first  {info['address']}\n"
        elif how == "up, after a look at its name":
            (known,) = (gateway.runtime / "network/dns").iterdir()
            assert info["address"] in known.read_text(), "its name still leads to its address"
            first.up()
        elif "IPv6" in how:
            with closing(socket.create_connection((info["address6"], 22), PATIENCE)) as connection:
                assert connection.recv(8) == b"SSH-2.0-"
        else:
            with closing(socket.create_connection((info["address"], 7000), PATIENCE)) as connection:
                connection.sendall(b"wake up")
                assert connection.recv(100) == b"wake up"
        assert turns(first, 0)[0] == pid, how


def test_it_survives_a_restart_an_upgrade_and_a_reboot(gateway, alice, first):
    pid, _ = turns(first, 0)
    sleep(first)
    gateway.kill()
    for part in ("bin", "etc", "lib"):  # as an upgrade does it: other files of the same names
        shutil.copytree(gateway.store / part, gateway.store / f"{part}.new", symlinks=True)
        shutil.rmtree(gateway.store / part)
        (gateway.store / f"{part}.new").rename(gateway.store / part)
    assert gateway.gaoler("--close").returncode == 0
    for one in gateway.runtime.iterdir():  # which is on a tmpfs of the host, and gone with its network
        if not one.name.startswith("web"):  # a page that other tests have runs on
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    gateway.start()
    assert first.state == "asleep"
    with closing(socket.create_connection((first.address, 7000), PATIENCE)) as connection:
        connection.sendall(b"there")
        assert connection.recv(100) == b"there"
    assert turns(first, 0)[0] == pid
    sleep(first)
    assert first.sh("hostname") == "first"
    gateway.restart()
    assert first.state == "ready"
    assert turns(first, 0)[0] == pid


def test_what_sleeps_can_be_given_up_and_nothing_is_done_to_it_meanwhile(gateway, alice, quiet):
    quiet.sh("echo kept > /root/file")
    quiet.gaol("snapshot", "before", check=True)
    boot = quiet.sh("cat /proc/sys/kernel/random/boot_id")
    sleep(quiet)
    sleep(quiet)  # once more
    for verb, words in (("set", ["memory=300M"]), ("rename", ["other"]), ("restore", ["before"])):
        refused = quiet.gaol(verb, *words)
        assert (refused.returncode, "sleeps" in refused.stderr) == (1, True), refused.stderr
    quiet.gaol("set", "ttl=3h", check=True)
    quiet.gaol("down", check=True)
    assert quiet.state == "stopped"
    assert not list((gateway.store / ".gaoler/memory").glob("*/.*"))
    refused = quiet.gaol("sleep")
    assert (refused.returncode, "not running" in refused.stderr) == (1, True), refused.stderr
    quiet.up()
    assert quiet.sh("cat /root/file") == "kept"
    assert quiet.sh("cat /proc/sys/kernel/random/boot_id") != boot
    assert 10000 < quiet.info()["expires"] - time.time() < 10800
    sleep(quiet)
    assert quiet.sh("true") == ""
    assert quiet.info()["expires"] - time.time() < 10800, "its time goes on where it was"
    sleep(quiet)
    quiet.remove()


def test_an_idle_machine_sleeps(gateway, alice):
    gateway.restart(limits={"idle": "3s"})
    try:
        with running(gateway, alice, "idler", "--no-network") as idler:
            boot = idler.sh("cat /proc/sys/kernel/random/boot_id")
            until(lambda: idler.state == "asleep", "it is put to sleep")
            assert idler.sh("cat /proc/sys/kernel/random/boot_id") == boot
    finally:
        gateway.restart()
