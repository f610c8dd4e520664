"""Backups of machines: as streams to a directory or over ssh, what has changed alone, and machines made of them again."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager

import pytest

from gaoler.host import btrfs
from system.support.bases import small_tree
from system.support.machine import Machine, running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def place(gateway):
    """A directory of root's alone, which is not in the store."""
    made = gateway.directory / "backup"
    yield made
    subprocess.run(["rm", "-r", "-f", made], check=True)


def backup(gateway, place, *words: str) -> list[dict]:
    return gateway.json("store", "backup", *words, "--to", str(place))


def trees(place) -> set[str]:
    return {path.name for path in (place / "trees").glob("*.btrfs")}


@contextmanager
def restored(gateway, *words: str):
    made = gateway.json("store", "restore", *words)
    try:
        yield made
    finally:
        for one in made:
            gateway.gaol("rm", "--force", f"{one['owner']}/{one['name']}", check=True)


def test_a_machine_comes_back_as_it_was(gateway, alice, place):
    with running(gateway, alice, "web", "--no-network", "--memory", "128M", "--ttl", "3h") as web:
        web.sh("echo one > /root/file; sync")
        web.gaol("snapshot", "early", check=True)
        (first,) = backup(gateway, place, f"{alice.name}/web", "--snapshots")
        assert len(trees(place)) == 3, "the base, the snapshot, the machine"
        web.sh("echo two > /root/file; head -c 3M /dev/urandom > /root/more; sync")
        (second,) = backup(gateway, place, f"{alice.name}/web", "--snapshots")
        assert second["since"]
        assert 3 << 20 < second["bytes"] < first["bytes"] / 10
        assert len(trees(place)) == 4
        assert len(list((gateway.store / f".gaoler/backups/{first['id']}").glob("*/*"))) == 1
        web.sh("rm /root/file")
        name = f"{alice.name}/web"
        taken = gateway.gaol("store", "restore", name, "--from", str(place))
        assert taken.returncode == 1
        assert "already" in taken.stderr
        before = set(os.listdir(gateway.store / ".gaoler/staging"))
        with restored(gateway, name, "--from", str(place), "--snapshots", "--as", f"{alice.name}/again"):
            again = Machine(gateway, "again", alice)
            assert {key: again.info()[key] for key in ("memory", "base", "generation")} == {
                key: web.info()[key] for key in ("memory", "base", "generation")
            }
            again.up()
            assert again.sh("cat /root/file; stat -c %s /root/more") == f"two\n{3 << 20}"
            again.gaol("down", check=True)
            again.gaol("restore", "early", check=True)
            again.up()
            assert again.sh("cat /root/file") == "one"
            assert again.gaol("info", "--json", check=True)
        assert set(os.listdir(gateway.store / ".gaoler/staging")) == before
    # The machine is gone, and so is what its backups stood on; what is kept elsewhere is not.
    assert not list((gateway.store / ".gaoler/backups").iterdir())
    with restored(gateway, "--owner", alice.name, "--from", str(place)) as made:
        assert [one["name"] for one in made] == ["web"]


def test_all_machines_share_what_they_came_from_and_old_backups_go(gateway, alice, bob, place):
    with running(gateway, alice, "one", "--no-network"), running(gateway, bob, "two", "--no-network"):
        assert len(backup(gateway, place, "--all")) == 2
        assert len(trees(place)) == 3
        backup(gateway, place, "--all")
        backup(gateway, place, "--all", "--full", "--keep", "1")
        assert len(trees(place)) == 3, "the base and a tree each"
        listed = gateway.json("store", "restore", "--list", "--from", str(place))
        assert [(one["owner"], one["name"]) for one in listed] == [(alice.name, "one"), (bob.name, "two")]


def test_a_base_that_is_not_here_any_more_comes_from_the_backup(gateway, alice, place, tmp_path):
    small_tree(tmp_path / "tree")
    gateway.gaol("base", "add", "other", "--directory", str(tmp_path / "tree"), check=True)
    try:
        with running_from(gateway, alice) as name:
            backup(gateway, place, f"{alice.name}/{name}")
    finally:
        gateway.gaol("base", "rm", "other", check=True)
    with restored(gateway, f"{alice.name}/{name}", "--from", str(place)) as (made,):
        assert (made["base"], made["generation"]) == ("other", None)
        (record,) = (gateway.store / ".gaoler/machines").glob("*/record.json")
        gaol = gateway.store / ".gaoler/gaols" / record.parent.name
        assert alice.name in (gaol / "etc/passwd").read_text(), "it has what the machine had"


@contextmanager
def running_from(gateway, alice):
    """A machine whose base no kernel could boot: its files are all that counts."""
    web = Machine(gateway, "bare", alice)
    gateway.gaol("up", "bare", "--base", "other", "--no-network", user=alice)
    try:
        yield "bare"
    finally:
        web.remove()


@pytest.mark.parametrize("place_is", ["in the store", "everybody's"])
def test_a_place_that_is_not_safe_is_refused(gateway, alice, tmp_path, place_is):
    directory = gateway.store / "backup" if place_is == "in the store" else tmp_path / "open"
    if place_is == "everybody's":
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)
    done = gateway.gaol("store", "backup", "--all", "--to", str(directory))
    assert done.returncode == 4, done.stderr
    assert "can't be kept in" in done.stderr


def test_only_root_may(gateway, alice, warden, tmp_path):
    for user in (alice, warden):
        done = gateway.gaol("store", "restore", "--all", "--from", "/", user=user)
        assert done.returncode == 3
        asked = {"method": "org.gaoler.StoreRestore", "parameters": {"machines": [], "trees": []}}
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(gateway.socket)!r}); s.sendall({json.dumps(asked).encode() + bytes(1)!r}); print(s.recv(4096))"
        answer = subprocess.run(
            ["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True, **user.credentials
        ).stdout
        assert "you may not restore machines" in answer


def test_a_damaged_backup_leaves_nothing(gateway, alice, place):
    with running(gateway, alice, "web", "--no-network"):
        backup(gateway, place, f"{alice.name}/web")
        (note,) = place.glob("machines/*/*/*.json")
        tree = json.loads(note.read_text())["tree"]
        file = place / f"trees/{tree}.btrfs"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
        done = gateway.gaol("store", "restore", f"{alice.name}/web", "--as", f"{alice.name}/other", "--from", str(place))
        assert done.returncode == 1
        assert "the backup can't be read" in done.stderr
        file.write_bytes(b"")
        record = json.loads(note.read_text())
        note.write_text(json.dumps({**record, "record": record["record"].replace(f'"uid": {alice.uid}', '"uid": 77')}))
        done = gateway.gaol("store", "restore", f"{alice.name}/web", "--from", str(place))
        assert done.returncode == 4
        assert "is another account by now" in done.stderr
        assert [one["name"] for one in gateway.json("ls", user=alice)] == ["web"]


def test_a_backup_that_is_killed_is_done_again(gateway, alice, place):
    with running(gateway, alice, "web", "--no-network") as web:
        web.sh("head -c 60M /dev/urandom > /root/large; sync")
        with gateway.popen("store", "backup", "--all", "--to", str(place), stdout=subprocess.DEVNULL) as process:
            until(lambda: list(place.glob("trees/.*.new")), "a stream comes")
            process.kill()
        assert not list(place.glob("machines/*/*/*.json"))
        until(
            lambda: not subprocess.run(["pgrep", "-f", f"btrfs send.*{gateway.store}"], capture_output=True, check=False).stdout,
            "nobody sends",
        )
        backup(gateway, place, "--all")
        assert len(trees(place)) == 2
        assert not list(place.glob("trees/.*"))


def test_over_ssh(gateway, alice, place, tmp_path, monkeypatch):
    """What is called there is called here: a shell, as sshd calls it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text('#!/bin/sh\n[ "$1 $2" = "-- vault" ] || exit 255\nexec sh -c "$3"\n')
    (programs / "ssh").chmod(0o755)
    path = f"{programs}:{gateway.options(None)['env']['PATH']}"
    environment = {**gateway.options(None)["env"], "PATH": path}
    place = place.with_name("back up")
    with running(gateway, alice, "web", "--no-network") as web:
        web.sh("echo one > /root/file; sync")
        for _ in range(2):
            gateway.gaol("store", "backup", "--all", "--to", f"vault:{place}", "--keep", "1", env=environment, check=True)
        done = gateway.gaol(
            "store", "restore", "--all", "--as", f"{alice.name}/again", "--from", f"vault:{place}", env=environment, check=True
        )
        assert done.stdout == f"{alice.name}/again\n"
        again = Machine(gateway, "again", alice)
        again.up()
        assert again.sh("cat /root/file") == "one"
        again.remove()
        assert gateway.gaol("store", "backup", "--all", "--to", "other:place", env=environment).returncode == 1
    subprocess.run(["rm", "-r", place], check=True)
    assert not btrfs.is_subvolume(place)
