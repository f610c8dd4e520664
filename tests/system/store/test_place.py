"""Where the store is: an image that grows, a device that it is moved to while machines run, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest

from gaoler.host import loop
from system.conftest import opened
from system.support import leftovers, users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]

GIB = 1 << 30


@pytest.fixture(scope="module")
def house():
    yield from opened(Gateway(components(), {"network": {"mode": "none"}}))


@pytest.fixture(scope="module")
def owner(house):
    with users.account(f"{house.prefix}keeper") as user:
        yield user


@contextmanager
def device(path: Path, size: int):
    """An empty block device."""
    with path.open("xb") as file:
        file.truncate(size)
    made = loop.attach_loop(path)
    try:
        yield made
    finally:
        for one in loop.devices_of(path):
            loop.detach_loop(one)
        path.unlink()


def reboot(house: Gateway) -> None:
    """As after a power cut: nothing of gaoler's runs or is mounted."""
    leftovers.end(house.prefix)
    if house.process:
        house.process.wait(PATIENCE)
        house.process = None


def refused(house: Gateway) -> str:
    """What the daemon says that does not start."""
    done = house.gaoler()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def store_check(house: Gateway) -> dict:
    checks = json.loads(house.gaol("doctor", "--json").stdout)
    return next(check for check in checks if check["name"] == "store")


def test_an_image_grows_while_a_machine_runs(house, owner):
    web = Machine(house, "web", owner)
    web.up("--no-network")
    before = house.json("store", "info")["total"]
    nothing = house.gaol("store", "grow")
    assert nothing.returncode == 1
    assert "already" in nothing.stderr
    house.configure(store={"size": "8G"})
    assert "never shrinks" in house.gaol("store", "grow").stderr
    house.configure(store={"size": "20G"})
    done = house.gaol("store", "grow", check=True)
    assert done.stdout == "the store had 16G and has 20G\n"
    assert house.json("store", "info")["total"] - before == 4 * GIB
    assert web.sh("echo still there") == "still there"


def test_a_device_that_is_configured_beside_a_store_is_told_and_never_taken_for_it(house, owner, tmp_path):
    """Nothing is done with exit code 0, and no reboot makes everybody's machines vanish."""
    with device(tmp_path / "disk", 4 * GIB) as disk:
        house.restart(store={"size": "20G", "device": str(disk)})
        image = str(house.directory / "store.img")
        told = house.json("store", "info")
        assert (told["source"], told["configured"]) == (image, str(disk))
        check = store_check(house)
        assert not check["good"]
        assert f"gaol store move --to {disk}" in check["hint"]
        done = house.gaol("store", "init")
        assert done.returncode == 1
        assert f"is on {image}" in done.stderr
        reboot(house)
        said = refused(house)
        assert "the store looks empty: machines were in one on" in said
        assert f'store.image = "{image}"' in said
        assert subprocess.run(["blkid", "--probe", disk], capture_output=True, check=False).returncode == 2, "nothing was written"
        house.configure(store={"size": "20G"})
        house.start()
        assert [one["name"] for one in house.json("ls", user=owner)] == ["web"]
        assert store_check(house)["good"]


def foreign(kind: str, disk: Path, tmp_path: Path) -> str:
    """Put what is somebody else's on it; returns how it is told."""
    if kind == "partitions":
        entry = bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
        disk.write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa")
        return "holds a dos partition table"
    subprocess.run([f"mkfs.{kind}", "-q", disk], check=True, capture_output=True)
    if kind == "ext4":
        return "holds ext4"
    content = tmp_path / "content"
    content.mkdir()
    subprocess.run(["mount", disk, content], check=True)
    (content / "photos").mkdir()
    subprocess.run(["umount", content], check=True)
    return "somebody else's btrfs"


def test_what_is_somebody_elses_is_not_written_to(house, tmp_path):
    reboot(house)
    for kind in ("ext4", "btrfs", "partitions"):
        file = tmp_path / kind
        with device(file, 256 << 20) as disk:
            told = foreign(kind, disk, tmp_path)
            subprocess.run(["sync", disk], check=True)
            before = hashlib.sha256(file.read_bytes()).digest()
            house.configure(store={"device": str(disk)})
            said = refused(house)
            assert told in said
            assert "-f option" not in said
            subprocess.run(["sync", disk], check=True)
            assert hashlib.sha256(file.read_bytes()).digest() == before
    house.configure(store={"size": "20G"})
    house.start()
    with device(tmp_path / "ext4", 64 << 20) as disk:
        foreign("ext4", disk, tmp_path)
        done = house.gaol("store", "move", "--to", str(disk))
        assert done.returncode == 1
        assert f"{disk} holds ext4" in done.stderr


def slowed(house: Gateway) -> None:
    """Have the kernel take its time: ten megabytes a second."""
    identity = subprocess.run(["findmnt", "-no", "UUID", house.store], capture_output=True, text=True, check=True).stdout.strip()
    for file in Path(f"/sys/fs/btrfs/{identity}/devinfo").glob("*/scrub_speed_max"):
        file.write_text(str(10 << 20))


def moved_by(house: Gateway, disk: Path) -> subprocess.Popen:
    """`gaol store move` that has begun to copy."""
    slowed(house)
    process = house.popen(
        "store", "move", "--to", str(disk), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    until(lambda: re.search(rb"\d% done", state(house)), "the kernel copies")
    return process


def state(house: Gateway) -> bytes:
    return subprocess.run(["btrfs", "replace", "status", "-1", house.store], capture_output=True, check=False).stdout


def test_a_store_moves_to_a_device_while_a_machine_runs_whoever_is_killed_meanwhile(house, owner, tmp_path):
    web, image = Machine(house, "web", owner), house.directory / "store.img"
    web.up("--no-network")
    web.sh("echo kept > /root/file; sync")
    with device(tmp_path / "small", 200 << 20) as small:
        done = house.gaol("store", "move", "--to", str(small))
        assert done.returncode == 1
        assert "does not fit" in done.stderr
    with device(tmp_path / "disk", 12 * GIB) as disk:
        with moved_by(house, disk) as process:
            process.kill()
        assert web.sh("cat /root/file; echo more > /root/file; sync; cat /root/file").split() == ["kept", "more"]
        assert house.gaol("store", "move", "--to", "/dev/null").returncode == 1
        # The power fails; the daemon goes on with it.
        reboot(house)
        house.start()
        until(lambda: house.json("store", "info")["source"] == str(disk), "the store is on the device", 3 * PATIENCE)
        until(lambda: not image.exists(), "the image is gone")
        assert tomllib.loads(house.configuration.read_text())["store"]["device"] == str(disk)
        again = house.gaol("store", "move", "--to", str(disk), check=True)
        assert f"the store is on {disk}" in again.stdout
        assert house.json("store", "info")["total"] == 12 * GIB
        web.up()
        assert web.sh("cat /root/file") == "more"
        reboot(house)
        house.start()
        assert store_check(house)["good"]
        assert [one["name"] for one in house.json("ls", user=owner)] == ["web"]
        # The device grows.
        with (tmp_path / "disk").open("r+b") as file:
            file.truncate(13 * GIB)
        subprocess.run(["losetup", "--set-capacity", disk], check=True)
        assert house.gaol("store", "grow", check=True).stdout == "the store had 12G and has 13G\n"
        # To another device, in one go.
        with device(tmp_path / "other", 6 * GIB) as other:
            done = house.gaol("store", "move", "--to", str(other), check=True, timeout=3 * PATIENCE)
            assert f"the store is on {other}, 6G" in done.stdout
            web.up()
            assert web.sh("cat /root/file") == "more"
            web.remove()
            reboot(house)
            house.configure()
            assert house.gaoler("--make-store").returncode == 0, "without machines a new one may begin"
