"""Syncs that are killed, meet a full disk, or each other: the base is as it was, and the next sync goes on."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from system.support.bases import Master, base_fixture, contents, master, set_last_sync, small_tree  # noqa: F401 - fixtures too
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


def change(tree: Path, mark: int) -> None:
    """A tenth of the files, and one that tells which state of the master this is."""
    for number in random.Random(mark).sample(range(3000), 300):
        (tree / f"usr/share/many/{number}").write_bytes(os.urandom(2000))
    (tree / "etc/mark").write_text(f"{mark}")


def writers(gateway: Gateway, base: str = "small") -> list[str]:
    """Processes that have the base's lock open, besides the daemon."""
    lock = gateway.store / f".gaoler/generations/{base}/lock"
    held = subprocess.run(["fuser", lock], capture_output=True, text=True, check=False).stdout.split()
    daemon = str(gateway.process.pid) if gateway.process else ""
    return [pid for pid in held if pid != daemon]


@contextmanager
def locked(gateway: Gateway, base: str) -> Iterator[None]:
    """As if a writer of a daemon that was killed were still there: a sync waits for it."""
    with (gateway.store / f".gaoler/generations/{base}/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


@pytest.mark.parametrize("way", ["rsync", "tar"])
def test_a_full_disk_leaves_the_base_and_room_for_machines(gateway: Gateway, source: Master, base: str, tmp_path: Path, way: str):
    before = contents(gateway.store / "small")
    filler = gateway.store / "filler"
    space = os.statvfs(gateway.store)
    free = space.f_bavail * space.f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - (900 << 20))
    try:
        (source.tree / "usr/share/big").write_bytes(os.urandom(1 << 20) * 300)
        if way == "rsync":
            done = gateway.gaol("base", "sync", base)
        else:
            subprocess.run(["tar", "-C", source.tree, "-cf", tmp_path / "tree.tar", "."], check=True)
            done = gateway.gaol("base", "add", base, "--replace", "--tar", str(tmp_path / "tree.tar"))
        assert done.returncode == 1 and "the store is nearly full" in done.stderr, done.stderr
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


def test_a_first_sync_that_was_cut_short_is_seen_and_gone_on_with(gateway: Gateway, source: Master):
    def listed() -> dict[str, object] | None:
        return next((one for one in gateway.json("base", "ls") if one["name"] == "first"), None)

    def cut_short() -> None:
        client = gateway.popen(
            "base", "add", "first", "--rsync", source.url, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        incoming = gateway.store / ".gaoler/generations/first/incoming"
        until(incoming.exists, "it has begun")
        gateway.kill(signal.SIGKILL)
        client.wait()
        until(lambda: not writers(gateway, "first"), "rsync has died with the daemon")
        gateway.start()

    cut_short()
    found = listed()
    assert found and (found["result"], found["generation"]) == ("unfinished", None) and "goes on" in str(found["reason"])
    assert gateway.gaol("run", "--base", "first", "--", "true").returncode == 3, "nobody gets half a tree"
    gateway.gaol("base", "rm", "first", check=True)
    assert listed() is None
    cut_short()
    with locked(gateway, "first"):
        client = gateway.popen("base", "add", "first", "--rsync", source.url, stdout=subprocess.DEVNULL)
        until(lambda: (one := listed()) and one["syncing"], "it goes on")
        assert "under way" in gateway.gaol("base", "rm", "first").stderr
    assert client.wait(60) == 0
    assert gateway.gaol("run", "--base", "first", "--no-network", "--", "true").returncode == 0
    gateway.gaol("base", "rm", "first", check=True)


@pytest.mark.parametrize("way", ["add", "sync"])
def test_a_generation_that_was_not_shown_any_more_is_shown_next_time(gateway: Gateway, source: Master, base: str, way: str):
    """As a daemon leaves it that was killed between the last two steps of a base's first sync, or in the last of another's."""
    shown, leftover = gateway.store / base, gateway.store / f".{base}.next"
    shown.rename(leftover)
    (found,) = (one for one in gateway.json("base", "ls") if one["name"] == base)
    assert found["result"] == "unfinished"
    options = ("--rsync", source.url) if way == "add" else ()
    gateway.gaol("base", way, base, *options, check=True)
    assert gateway.gaol("run", "--base", base, "--no-network", "--", "true").returncode == 0
    assert not leftover.exists()


def test_nothing_else_is_done_to_a_base_meanwhile(gateway: Gateway, source: Master, base: str):
    change(source.tree, 1)
    gateway.gaol("base", "sync", base, check=True)
    with locked(gateway, base):
        client = gateway.popen("base", "sync", base, stdout=subprocess.DEVNULL)
        until(lambda: gateway.json("base", "info", base)["syncing"], "a sync waits")
        for words in (("sync", base), ("rollback", base), ("rm", base)):
            done = gateway.gaol("base", *words)
            assert done.returncode == 1 and "under way" in done.stderr
        assert gateway.gaol("run", "--base", base, "--no-network", "--", "true").returncode == 0
    assert client.wait(60) == 0


def test_one_that_breaks_does_not_keep_others_from_being_synced(gateway: Gateway, source: Master, base: str, tmp_path: Path):
    gateway.restart(base={name: {"sync": "weekly"} for name in ("aaa", base)})
    tree = small_tree(tmp_path / "other")
    gateway.gaol("base", "add", "aaa", "--directory", str(tree), check=True)
    try:
        (tree / "usr/bin/sh").unlink()
        change(source.tree, 7)
        for name in ("aaa", base):
            set_last_sync(gateway, name, time=0)
        done = gateway.gaol("base", "sync", "--due", "--json")
        assert done.returncode == 1
        assert {one["name"]: one["result"] for one in json.loads(done.stdout)} == {"aaa": "failed", base: "new"}
    finally:
        gateway.gaol("base", "rm", "aaa", check=True)
        gateway.restart()
