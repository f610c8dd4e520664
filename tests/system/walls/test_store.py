"""The store's disk fails, fills up or loses its power, while machines come and go."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest

from gaoler.host import btrfs, loop
from system.conftest import opened
from system.support import leftovers, users
from system.support.components import components
from system.support.disk import Disk
from system.support.disk import disk as made_disk
from system.support.gateway import Gateway
from system.support.leaks import leaving_nothing
from system.support.machine import Machine, running
from system.support.namespaces import mounts_of_our_own
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

SIZE = 3 << 30
"""Bytes of the disk: the base takes a tenth."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    directory = tmp_path_factory.mktemp("disk")
    with mounts_of_our_own(), made_disk(directory / "disk", directory / "content", SIZE) as made:
        yield made


@pytest.fixture(scope="module")
def house(disk):
    """A gateway whose store is on that disk."""
    yield from opened(Gateway(components(), {"store": {"image": str(disk.path)}, "network": {"mode": "none"}}))


@pytest.fixture(scope="module")
def owner(house):
    with users.account(f"{house.prefix}owner") as user:
        yield user


@pytest.fixture(autouse=True)
def as_it_was(house):
    with leaving_nothing(house):
        yield


def reboot(house: Gateway, disk: Disk, content: Path | None = None) -> None:
    """As after a power cut: of this gateway only its disk is left, with its own content or another."""
    leftovers.end(house.prefix)
    assert house.process is not None
    house.process.wait()
    for device in loop.devices_of(Path(house.settings["store"]["image"])):
        loop.detach_loop(device)
    if content:
        disk.load(content)
    house.start()


def sync(house: Gateway) -> int:
    return subprocess.run(["sync", "--file-system", house.store], capture_output=True, check=False).returncode


def test_a_disk_that_fails_costs_no_machine(house, disk, owner):
    """Nothing can be written, and btrfs goes read-only. What runs runs on and can be stopped; what needs to write says why it can't."""
    with running(house, owner, "steady") as steady, running(house, owner, "doomed") as doomed:
        # Only what is on the disk can be read again once btrfs has given up what it could not write.
        until(lambda: os.listdir(house.store / ".gaoler/spares"), "the clone ahead has been made")
        assert sync(house) == 0
        steady.sh("echo there > /root/unwritten")  # so that it has read what it needs, and there is something to write
        disk.fail(errno.EIO)
        try:
            assert sync(house) != 0
            refused = house.gaol("up", "late", user=owner)
            assert refused.returncode == 1
            assert re.search("Read-only|Input.output error", refused.stderr), refused.stderr
            assert "mistake" not in refused.stderr
            assert steady.sh("echo there") == "there"
            house.restart()
            assert steady.sh("echo there") == "there"
            os.kill(doomed.info()["pid"], 9)
            until(lambda: doomed.state == "failed", "its death is noticed")
            assert doomed.gaol("rm").returncode == 1
            steady.gaol("down", check=True)
            assert steady.state == "stopped"
        finally:
            disk.fail(0)
            reboot(house, disk)
        steady.up()
        doomed.up()


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_leaves_bases_whole_and_records_that_agree(house, disk, owner, tmp_path, seed):
    """What was not flushed is lost, or half of it; what a machine has synced is there."""
    published = differs(house)
    kept = Machine(house, "kept", owner)
    kept.up()
    kept.sh("echo kept > /root/file; sync /root/file")
    over = threading.Event()

    def work(name: str) -> None:
        steps = (["up", name], ["snapshot", name, "one"], ["clone", name, f"{name}-copy"], ["down", name],
                 ["restore", name, "one"], ["rm", "--force", f"{name}-copy"], ["rm", "--force", name])  # fmt: skip
        while not over.is_set():
            for words in steps:
                house.gaol(*words, user=owner)

    workers = [threading.Thread(target=work, args=(f"busy{number}",)) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        disk.cut(tmp_path / "medium", seed, Random(seed).randrange(50, 600))
    finally:
        over.set()
        leftovers.end(house.prefix)
        for worker in workers:
            worker.join()
        reboot(house, disk, tmp_path / "medium")
    whole(house, published)
    assert kept.state == "stopped", "it ran when the power failed, which is no failure of its own"
    for machine in house.json("ls", user=owner):
        house.gaol("up", machine["name"], user=owner, check=True)
    assert kept.sh("cat /root/file") == "kept"
    house.remove_machines()


def differs(house: Gateway) -> str:
    """How the base differs from what it was made of, read to the last byte."""
    compare = ["rsync", "--archive", "--checksum", "--dry-run", "--itemize-changes", "--delete"]
    trees = [f"{house.components.base}/", f"{house.store}/debian/"]
    return subprocess.run([*compare, *trees], capture_output=True, text=True, check=True).stdout


def whole(house: Gateway, published: str) -> None:
    """The base is complete, all of it can be read, and every tree has its record."""
    private = house.store / ".gaoler"
    there = {name: set(os.listdir(private / name)) for name in ("machines", "gaols", "snapshots", "ephemeral", "staging")}
    assert there["machines"] == there["gaols"]
    assert there["snapshots"] <= there["machines"]
    assert not there["ephemeral"] | there["staging"]
    assert btrfs.info(house.store / "debian").readonly
    assert differs(house) == published


def test_a_full_store_can_be_emptied(house, owner):
    """Neither data nor metadata have room: machines can be stopped and removed, which is what makes room."""
    with running(house, owner, "small") as small, running(house, owner, "large") as large:
        filler = house.store / ".gaoler/filler"
        filler.mkdir()
        try:
            fill(filler)
            refused = house.gaol("up", "late", user=owner)
            assert refused.returncode == 1
            assert re.search("No space|full", refused.stderr), refused.stderr
            assert "mistake" not in refused.stderr
            house.restart()
            assert large.exec("echo", "there").stdout == "there\n"
            small.gaol("down", check=True)
            large.gaol("rm", "--force", check=True)
            assert [machine["name"] for machine in house.json("ls", user=owner)] == ["small"]
        finally:
            shutil.rmtree(filler)
        small.up()


def fill(directory: Path) -> None:
    """First the room for data, so that metadata can take none of it; then metadata, with files that lie in it."""
    with suppress(OSError), (directory / "data").open("wb") as file:
        for size in (1 << 24, 1 << 16, 1 << 12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
    with suppress(OSError):
        for number in count():
            (directory / str(number)).write_bytes(bytes(2000))
