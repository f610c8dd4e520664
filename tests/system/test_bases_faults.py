"""Syncs that are killed, meet a full disk, or each other: the base is as it was, and the next sync goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from system.bases_support import Master, contents, master
from system.support.gateway import Gateway
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]
KILLS = 50


@pytest.fixture
def source(tmp_path: Path):
    with master(tmp_path) as served:
        many = served.tree / "usr/share/many"
        many.mkdir(parents=True)
        for number in range(3000):
            (many / f"{number}").write_bytes(os.urandom(2000))
        yield served


@pytest.fixture
def base(gateway: Gateway, source: Master):
    gateway.gaol("base", "add", "small", "--rsync", source.url, check=True)
    yield "small"
    gateway.gaol("base", "rm", "small", check=True)


def change(tree: Path, mark: int) -> None:
    """A tenth of the files, and one that tells which state of the master this is."""
    for number in random.Random(mark).sample(range(3000), 300):
        (tree / f"usr/share/many/{number}").write_bytes(os.urandom(2000))
    (tree / "etc/mark").write_text(f"{mark}")


def writers(gateway: Gateway) -> list[str]:
    """Processes that have the base's lock open, besides the daemon."""
    lock = gateway.store / ".gaoler/generations/small/lock"
    held = subprocess.run(["fuser", lock], capture_output=True, text=True, check=False).stdout.split()
    daemon = str(gateway.process.pid) if gateway.process else ""
    return [pid for pid in held if pid != daemon]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_moments_a_base_is_never_torn(gateway: Gateway, source: Master, base: str):
    shown = gateway.store / "small"
    change(source.tree, 0)
    gateway.gaol("base", "sync", base, check=True)
    states = {"0": contents(shown)}
    seen = 0
    for number in range(1, KILLS + 1):
        if (shown / "etc/mark").read_text() == str(seen):
            change(source.tree, number)
            seen = number
        client = gateway.popen("base", "sync", base, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # A sync takes about a second here: the moments cover all of it, and a little more.
        threading.Event().wait(random.Random(number).uniform(0.0, 1.4))
        gateway.kill(signal.SIGKILL)
        client.wait()
        now = contents(shown)
        mark = (shown / "etc/mark").read_text()
        if mark not in states:
            states[mark] = now
            expected = {name: fields for name, fields in contents(source.tree).items() if name != "etc/machine-id"}
            assert {name: fields for name, fields in now.items() if name != "etc/machine-id"} == expected
        assert now == states[mark], f"kill {number}: torn"
        assert subprocess.run(["touch", shown / "x"], capture_output=True, check=False).returncode, "read-only"
        until(lambda: not writers(gateway), "the confined programs die with the daemon")
        gateway.start()
        history = gateway.json("base", "history", base)
        assert [one for one in history if one["current"]], history
    assert gateway.gaol("base", "sync", base).returncode == 0
    assert (shown / "etc/mark").read_text() == str(seen)
    names = set(os.listdir(gateway.store / ".gaoler/generations/small"))
    assert not names & {"incoming", "aside"}
    assert not list(gateway.store.glob(".small*"))
    assert len([name for name in names if name.isdigit()]) <= 2


def test_what_a_killed_sync_has_fetched_is_not_fetched_again(gateway: Gateway, source: Master, base: str):
    big = source.tree / "usr/share/big"
    big.mkdir()
    for number in range(200):
        (big / str(number)).write_bytes(os.urandom(500_000))
    incoming = gateway.store / ".gaoler/generations/small/incoming/usr/share/big"
    client = gateway.popen("base", "sync", base, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: incoming.is_dir() and len(os.listdir(incoming)) > 20, "a part has come")
    gateway.kill(signal.SIGKILL)
    client.wait()
    until(lambda: not writers(gateway), "rsync has died with the daemon")
    there = sum(path.stat().st_size == 500_000 for path in incoming.iterdir())
    gateway.start()
    gateway.gaol("base", "sync", base, check=True)
    moved = gateway.json("base", "history", base)[-1]["moved_bytes"]
    assert moved < (200 - there + 2) * 500_000 + 1_000_000
    assert len(os.listdir(gateway.store / "small/usr/share/big")) == 200


def test_two_at_once_are_one(gateway: Gateway, source: Master, base: str):
    change(source.tree, 1)
    clients = [gateway.popen("base", "sync", base, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    ended = [(client.communicate(timeout=60), client.returncode) for client in clients]
    refused = [text[1] for text, code in ended if code == 1]
    assert any(code == 0 for _, code in ended)
    assert all(b"under way" in text for text in refused)
    assert refused, "none was at the same time: too small a tree?"
    assert (gateway.store / "small/etc/mark").read_text() == "1"


def test_a_full_disk_leaves_the_base_and_room_for_machines(gateway: Gateway, source: Master, base: str):
    before = contents(gateway.store / "small")
    filler = gateway.store / "filler"
    space = os.statvfs(gateway.store)
    free = space.f_bavail * space.f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - (900 << 20))
    try:
        (source.tree / "usr/share/big").write_bytes(os.urandom(1 << 20) * 300)
        done = gateway.gaol("base", "sync", base)
        assert done.returncode == 1 and "full" in done.stderr, done.stderr
        assert contents(gateway.store / "small") == before
        assert gateway.gaol("run", "--no-network", "--", "dd", "if=/dev/zero", "of=/x", "bs=1M", "count=50").returncode == 0
        assert not (gateway.store / ".gaoler/generations/small/incoming").exists()
    finally:
        filler.unlink()
        (source.tree / "usr/share/big").unlink()
    assert gateway.gaol("base", "sync", base).returncode == 0


def test_a_master_that_does_not_hold_still_is_refused(gateway: Gateway, source: Master, base: str):
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            (source.tree / "etc/restless").write_text(str(number) * (number % 7 + 1))

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        done = gateway.gaol("base", "sync", base)
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 1 and "does not hold still" in done.stderr
    assert not (gateway.store / "small/etc/restless").exists()
    assert gateway.gaol("base", "sync", base).returncode == 0


def test_failure_does_not_stop_starts(gateway: Gateway, source: Master, base: str):
    (source.tree / "usr/bin/sh").unlink()
    assert gateway.gaol("base", "sync", base).returncode == 1
    assert gateway.gaol("run", "--base", base, "--no-network", "--", "true").returncode == 0
