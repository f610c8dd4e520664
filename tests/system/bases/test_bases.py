"""Bases that follow a master: what comes over, what is refused, and what machines see of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from system.support.bases import Master, base_fixture, contents, master, small_tree, source_fixture  # noqa: F401 - fixtures too
from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine]


def sync(gateway: Gateway, *options: str):
    return gateway.gaol("base", "sync", "small", *options)


def shown(gateway: Gateway, path: str) -> Path:
    return gateway.store / "small" / path


def test_new_machines_have_what_changed_and_running_ones_keep_theirs(gateway: Gateway, alice: User, source: Master, base: str):
    (source.tree / "etc/told").write_text("first\n")
    assert sync(gateway).returncode == 0
    with running(gateway, alice, "old", "--base", base, "--no-network") as old:
        (source.tree / "etc/told").write_text("second\n")
        (source.tree / "usr/bin/dd").unlink()
        assert sync(gateway).returncode == 0
        with running(gateway, alice, "new", "--base", base, "--no-network") as new:
            assert new.sh("cat /etc/told; ls /usr/bin/dd || true") == "second"
            assert new.info()["generation"] == "3"
        assert old.sh("cat /etc/told; ls /usr/bin/dd") == "first\n/usr/bin/dd"
        assert old.info()["generation"] == "2"
        newest = gateway.json("base", "history", "small")[-1]
        assert (newest["generation"], newest["current"], newest["moved_files"]) == ("3", True, 2)
        assert newest["moved_bytes"] < 20_000


def test_a_sync_that_finds_nothing_makes_nothing(gateway: Gateway, source: Master, base: str):
    assert "unchanged" in sync(gateway).stdout
    assert [one["generation"] for one in gateway.json("base", "history", "small")] == ["1"]
    assert gateway.json("base", "ls")[-1]["result"] == "unchanged"


def test_ids_links_attributes_lists_and_holes_survive(gateway: Gateway, source: Master, base: str):
    there = source.tree / "usr/lib/kept"
    there.mkdir()
    (there / "one").write_text("x")
    os.chown(there / "one", 1234, 65535)
    (there / "one").chmod(0o4750)
    os.link(there / "one", there / "two")
    os.setxattr(there / "one", "user.colour", b"green")
    subprocess.run(["setcap", "cap_net_raw=ep", there / "two"], check=True)
    subprocess.run(["setfacl", "-m", "u:77:rw,g:88:r", there / "two"], check=True)
    with (there / "holes").open("wb") as file:
        file.truncate(64 << 20)
    os.mkfifo(there / "pipe")
    (there / "link").symlink_to("/nowhere/../one")
    assert sync(gateway).returncode == 0, "the sync"
    here = shown(gateway, "usr/lib/kept")
    assert contents(here) == contents(there)
    assert (here / "holes").stat().st_blocks == 0
    assert (here / "one").stat().st_ino == (here / "two").stat().st_ino


def test_what_is_one_machines_own_is_not_in_a_base(gateway: Gateway, source: Master, base: str):
    own = ("etc/ssh/ssh_host_ed25519_key", "etc/machine-id", "var/lib/dhcp/dhclient.leases", "var/lib/systemd/random-seed",
           "var/log/messages", "root/.ssh/id_ed25519", "etc/fstab", "etc/rsyncd.secrets", "tmp/x", "run/x")  # fmt: skip
    for name in own:
        (source.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (source.tree / name).write_text("mine")
    (source.tree / "var/log/nginx").mkdir()
    assert sync(gateway).returncode == 0
    assert [name for name in own if shown(gateway, name).exists()] == ["etc/machine-id"]
    assert shown(gateway, "etc/machine-id").read_text() == ""
    assert shown(gateway, "var/log/nginx").is_dir()
    assert "unchanged" in sync(gateway).stdout, "and is not fetched again each time"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda tree: (tree / "usr/bin/sh").unlink(), "no sh"),
        (lambda tree: (tree / "usr/bin/sh").write_text("#!/bin/true"), "not a program"),
        (lambda tree: (tree / "usr/lib64/ld-linux-x86-64.so.2").unlink(), "ld-linux"),
        (lambda tree: (tree / "etc/passwd").unlink(), "passwd"),
        (lambda tree: [(tree / "home").rmdir(), (tree / "home").symlink_to("/root")], "/home is not a directory"),
        (lambda tree: [(tree / "var/lib/pacman").mkdir(parents=True), (tree / "var/lib/pacman/db.lck").touch()], "at work"),
        (lambda tree: os.chown(tree / "usr/bin/ls", 70000, 0), "ls"),
        (lambda tree: [path.unlink() for path in (tree / "usr/share").iterdir()], "shrink"),
    ],
    ids=["shell", "script", "loader", "passwd", "link", "pacman", "id", "shrink"],
)
def test_what_is_no_base_is_refused_and_told(gateway: Gateway, source: Master, base: str, harm, told: str):
    (source.tree / "usr/share").mkdir()
    for number in range(100):
        (source.tree / f"usr/share/{number}").touch()
    assert sync(gateway).returncode == 0
    before = contents(gateway.store / "small")
    harm(source.tree)
    done = sync(gateway)
    assert done.returncode == 1 and told in done.stderr
    assert contents(gateway.store / "small") == before
    there = gateway.json("base", "info", "small")
    assert (there["generation"], there["result"]) == ("2", "failed") and told in there["reason"]
    if told == "shrink":
        assert sync(gateway, "--shrink").returncode == 0


def test_rollback_holds_until_somebody_syncs(gateway: Gateway, source: Master, base: str):
    (source.tree / "etc/told").write_text("new\n")
    assert sync(gateway).returncode == 0
    assert gateway.gaol("base", "rollback", "small").returncode == 0
    assert not shown(gateway, "etc/told").exists()
    there = gateway.json("base", "info", "small")
    assert (there["generation"], there["held"]) == ("1", True)
    assert gateway.gaol("base", "rollback", "small", "7").returncode == 3
    assert sync(gateway).returncode == 0
    there = gateway.json("base", "info", "small")
    assert (there["generation"], there["held"]) == ("2", False), "the newest, not the same once more"


def test_generations_stay_while_machines_came_from_them(gateway: Gateway, alice: User, source: Master, base: str):
    with running(gateway, alice, "old", "--base", base, "--no-network"):
        for number in range(4):
            (source.tree / "etc/told").write_text(f"{number}\n")
            assert sync(gateway).returncode == 0
        assert [one["generation"] for one in gateway.json("base", "history", "small")] == ["1", "4", "5"]
    (source.tree / "etc/told").write_text("last\n")
    assert sync(gateway).returncode == 0
    assert [one["generation"] for one in gateway.json("base", "history", "small")] == ["5", "6"]


def test_root_inside_cannot_change_the_base(gateway: Gateway, alice: User, base: str):
    before = contents(gateway.store / "small")
    with running(gateway, alice, "vandal", "--base", base, "--no-network", "--no-home") as machine:
        machine.sh(
            "for file in /etc/* /usr/bin/*; do echo mine >> $file || true; done 2>/dev/null;"
            "rm -rf /var /root; ln -s /etc /root; touch /new; chown 5:5 /usr"
        )
    assert contents(gateway.store / "small") == before
    assert subprocess.run(["touch", gateway.store / "small/x"], capture_output=True, check=False).returncode, (
        "read-only for root too"
    )


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("rsync://127.0.0.1:1/tree", 1, "can't be reached"),
        ("-e/bin/sh", 2, "is not a source"),
        ("host::mod;id", 2, "is not a source"),
        ("rsync://h/m --rsh=x\n", 2, "is not a source"),
        ("/nowhere/at/all", 3, "no file or directory"),
    ],
)
def test_bad_sources_are_refused_and_leave_nothing(gateway: Gateway, source: str, code: int, told: str):
    done = gateway.gaol("base", "add", "none", f"--rsync={source}")
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert not (gateway.store / "none").exists()
    assert not (gateway.store / ".gaoler/generations/none").exists()


def test_a_module_that_is_not_for_us_says_so(gateway: Gateway, tmp_path: Path):
    with master(tmp_path, "hosts deny = *") as served:
        done = gateway.gaol("base", "add", "none", "--rsync", served.url)
    assert done.returncode == 1 and "the master refuses" in done.stderr


def test_only_administrators(gateway: Gateway, alice: User, base: str):
    for arguments in (("sync", base), ("rollback", base), ("rm", base), ("add", "x", "--rsync", "a::b")):
        assert gateway.gaol("base", *arguments, user=alice).returncode == 4
    assert gateway.gaol("base", "ls", user=alice).returncode == 0


def test_a_directory_and_a_local_rsync_are_the_same(gateway: Gateway, tmp_path: Path):
    tree = small_tree(tmp_path / "tree")
    for option in ("--directory", "--rsync"):
        assert gateway.gaol("base", "add", "local", option, str(tree)).returncode == 0
        assert gateway.gaol("run", "--base", "local", "--no-network", "--", "true").returncode == 0
        gateway.gaol("base", "rm", "local", check=True)


def test_a_base_is_not_replaced_by_mistake(gateway: Gateway, source: Master, base: str, tmp_path: Path):
    other = small_tree(tmp_path / "other")
    (other / "etc/told").write_text("other\n")
    done = gateway.gaol("base", "add", base, "--directory", str(other))
    assert done.returncode == 1 and f"from rsync {source.url}" in done.stderr
    assert not shown(gateway, "etc/told").exists()
    assert "unchanged" in gateway.gaol("base", "add", base, "--rsync", source.url, check=True).stdout, "the same is a sync"
    gateway.gaol("base", "add", base, "--replace", "--directory", str(other), check=True)
    assert shown(gateway, "etc/told").read_text() == "other\n"
    assert gateway.json("base", "info", base)["source"] == f"directory {other}"


def test_what_lies_in_the_store_is_not_taken_for_ours(gateway: Gateway, tmp_path: Path):
    tree, place = small_tree(tmp_path / "tree"), gateway.store / "mine"
    for make in (place.mkdir, place.touch, lambda: place.symlink_to("/nowhere")):
        make()
        try:
            done = gateway.gaol("base", "add", "mine", "--directory", str(tree))
            assert done.returncode == 1 and "gaoler did not make" in done.stderr
            assert gateway.gaol("base", "rm", "mine").returncode in (3, 4)
            assert os.path.lexists(place)
        finally:
            place.rmdir() if place.is_dir() else place.unlink()


def test_options_that_mean_nothing_are_told(gateway: Gateway, tmp_path: Path):
    done = gateway.gaol("base", "add", "x", "--directory", str(tmp_path), "--mirror", "http://m.example/")
    assert done.returncode == 2 and "--mirror means nothing to --directory" in done.stderr


def test_a_base_goes_and_its_machines_stay(gateway: Gateway, alice: User, source: Master):
    gateway.gaol("base", "add", "passing", "--rsync", source.url, check=True)
    with running(gateway, alice, "left", "--base", "passing", "--no-network") as machine:
        done = gateway.gaol("base", "rm", "passing", check=True)
        assert f"1 machine made from it ({alice.name}/left) keeps its files" in done.stdout
        assert machine.sh("grep root: /etc/group") == "root:x:0:"
        machine.gaol("down", check=True)
        machine.up()
        assert gateway.gaol("up", "another", "--base", "passing", user=alice).returncode == 3
    assert not (gateway.store / ".gaoler/generations/passing").exists()


def test_what_an_administrator_reads(gateway: Gateway, source: Master, base: str):
    (source.tree / "etc/told").write_text("new\n")
    assert re.fullmatch(r"small  generation 2: \d+ files, [\d.]+M; 1 changed, [\d.]+K moved; [\d.]+ s\n", sync(gateway).stdout)
    source.tree.rename(source.tree.with_name("away"))
    for _ in range(2):
        assert sync(gateway).returncode == 1
    source.tree.with_name("away").rename(source.tree)
    (row,) = (line for line in gateway.gaol("base", "ls").stdout.splitlines() if line.startswith("small "))
    assert "by hand" in row and "failed 2 times" in row
    told = gateway.gaol("base", "info", base).stdout
    assert re.search(r"^last sync  .*, failed, [\d.]+ s$", told, re.MULTILINE)
    assert re.search(r"^last good  .*; 2 failed since$", told, re.MULTILINE)
    assert re.search(r"^why +can't sync from rsync://", told, re.MULTILINE)


def test_the_base_of_machines_that_name_none_does_not_go_by_accident(gateway: Gateway):
    done = gateway.gaol("base", "rm", "--yes", "debian")
    assert done.returncode == 4 and "is the base of machines that name none" in done.stderr
    assert gateway.gaol("run", "--no-network", "--", "true").returncode == 0
