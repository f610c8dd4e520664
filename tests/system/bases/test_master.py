"""A base that follows a virtual machine which updates itself from a repository: all of the way that packages take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from system.support import arch_repository, qemu_master
from system.support.arch_repository import repository_fixture  # noqa: F401 - a fixture
from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network, pytest.mark.slow]


@pytest.fixture
def master(gateway: Gateway, repository, tmp_path: Path):
    """The machine, with its repository on the host's loopback, which it knows by another address."""
    with arch_repository.served(repository.root, "127.0.0.1") as mirror:
        arguments = ("--pacstrap", "--mirror", mirror, "--keyring", str(repository.keyring))
        gateway.gaol("base", "add", "seed", *arguments, check=True, timeout=240)
        tree = tmp_path / "tree"
        subprocess.run(["cp", "-a", gateway.store / "seed", tree], check=True)
        gateway.gaol("base", "rm", "seed", check=True)
        (tree / "etc/pacman.d/mirrorlist").write_text(f"Server = {mirror}/$repo/os/$arch\n")
        settings = (tree / "etc/pacman.conf").read_text().replace("/etc/pacman.d", f"{tree}/etc/pacman.d")
        (tmp_path / "pacman.conf").write_text(
            settings.replace("[core]", f"GPGDir = {tree}/etc/pacman.d/gnupg\nCacheDir = {tmp_path}/packages\n[core]")
        )
        pacman = ["pacman", "--config", tmp_path / "pacman.conf", "--root", tree, "--noconfirm"]
        subprocess.run([*pacman, "-Sy", "rsync", "greeting"], check=True, capture_output=True)
        inside = mirror.replace("127.0.0.1", "10.0.2.2")
        (tree / "etc/pacman.d/mirrorlist").write_text(f"Server = {inside}/$repo/os/$arch\n")
        qemu_master.disk(tree, tmp_path / "disk")
        with qemu_master.booted(tmp_path, tmp_path / "disk") as machine:
            machine.until_says(r"updated: greeting 1\.0-1")
            yield machine


@pytest.mark.timeout(900)
def test_what_the_master_updates_new_machines_have(gateway: Gateway, alice: User, repository, master, record_property):
    added = gateway.gaol("base", "add", "archlinux", "--rsync", master.url, check=True, timeout=600)
    try:
        assert "master" not in added.stderr.replace("has the master changed", ""), "the kit satisfies the gateway"
        with running(gateway, alice, "old", "--base", "archlinux", "--no-network") as old:
            repository.add_greeting("2.0-1")
            master.until_says(r"updated: greeting 2\.0-1")
            gateway.gaol("base", "sync", "archlinux", check=True, timeout=600)
            with running(gateway, alice, "new", "--base", "archlinux", "--no-network") as new:
                assert new.sh("greeting; pacman -Q greeting") == "greeting 2.0-1\ngreeting 2.0-1"
            assert old.sh("greeting; pacman -Q greeting") == "greeting 1.0-1\ngreeting 1.0-1"
        first, second = gateway.json("base", "history", "archlinux")
        record_property("moved", (first["moved_files"], first["moved_bytes"], second["moved_files"], second["moved_bytes"]))
        assert second["moved_files"] < 60
        assert second["moved_bytes"] < first["moved_bytes"] / 20
    finally:
        gateway.gaol("base", "rm", "archlinux")
