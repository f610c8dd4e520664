"""Arch as a base: pacstrap from a signed repository, a machine from it, and pacman inside with signatures checked.

The repository is the test's own (arch_repository.py): its layout, database and signatures are as on Arch's mirrors.
"""

from __future__ import annotations

import pytest

from system.support import arch_repository
from system.support.arch_repository import repository_fixture  # noqa: F401 - a fixture
from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def mirror(repository, gateway: Gateway):
    with arch_repository.served(repository.root, gateway.address) as address:
        yield address


@pytest.fixture(scope="module")
def base(gateway: Gateway, repository, mirror: str):
    arguments = ("--pacstrap", "--mirror", mirror, "--keyring", str(repository.keyring))
    gateway.gaol("base", "add", "archlinux", *arguments, check=True, timeout=240)
    yield "archlinux"
    gateway.gaol("base", "rm", "archlinux", check=True)


def test_a_machine_is_whole(gateway: Gateway, alice: User, base: str):
    with running(gateway, alice, "arch", "--base", base) as machine:
        assert machine.state == "ready", machine.gaol("log").stdout
        assert machine.gaol("ssh", "id", "-un").stdout == f"{alice.name}\n"
        assert machine.sh("sudo id -un", guest_user=alice.name) == "root"
        assert machine.sh("echo $HOME; test -w $HOME && echo mine", guest_user=alice.name) == f"{alice.home}\nmine"
        assert machine.sh("cat /etc/os-release").startswith('NAME="Arch Linux"')


def test_pacman_installs_and_upgrades_with_signatures_checked(gateway: Gateway, alice: User, base: str, repository):
    with running(gateway, alice, "arch", "--base", base) as machine:
        assert (
            machine.sh("pacman-conf SigLevel | sort")
            == "DatabaseOptional\nDatabaseTrustedOnly\nPackageRequired\nPackageTrustedOnly"
        )
        machine.sh("pacman -Sy --noconfirm hello greeting")
        assert machine.sh("hello; greeting") == "Hello, world!\ngreeting 1.0-1"
        repository.add_greeting("2.0-1")
        machine.sh("pacman -Syu --noconfirm")
        assert machine.sh("greeting; pacman -Q greeting") == "greeting 2.0-1\ngreeting 2.0-1"

        forged = repository.add_greeting("3.0-1")
        forged.write_bytes(forged.read_bytes()[:-1] + b"x")
        done = machine.exec("pacman", "-Syu", "--noconfirm")
        assert done.returncode != 0 and "corrupted" in done.stdout + done.stderr
        assert machine.sh("greeting") == "greeting 2.0-1"
        repository.add_greeting("4.0-1")
        machine.sh("pacman -Syu --noconfirm")
        assert machine.sh("greeting") == "greeting 4.0-1"


def test_the_key_that_signs_keys_is_not_in_the_base(gateway: Gateway, base: str):
    keys = gateway.store / "archlinux/etc/pacman.d/gnupg"
    assert (keys / "pubring.gpg").exists()
    assert not [path for path in keys.rglob("*") if "private" in path.name or "secring" in path.name]


def test_an_unknown_key_is_refused(gateway: Gateway, mirror: str, tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("stranger")
    stranger = arch_repository.Repository(directory / "mirror", directory / "work")
    stranger.close()
    done = gateway.gaol(
        "base", "add", "forged", "--pacstrap", "--mirror", mirror, "--keyring", str(stranger.keyring), timeout=240
    )
    assert done.returncode == 1 and "signature" in done.stderr + done.stdout or "key" in done.stderr, done.stderr
    assert not (gateway.store / "forged").exists()


@pytest.fixture
def own_base(gateway: Gateway, repository, mirror: str):
    arguments = ("--pacstrap", "--mirror", mirror, "--keyring", str(repository.keyring))
    gateway.gaol("base", "add", "changing", *arguments, check=True, timeout=240)
    yield "changing"
    gateway.gaol("base", "rm", "changing", check=True)


def test_a_sync_makes_a_generation_of_what_the_mirror_has_new(gateway: Gateway, own_base: str, repository):
    base = own_base
    assert "unchanged" in gateway.gaol("base", "sync", base, check=True, timeout=240).stdout
    tree = repository.work / "less"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/less").write_text("#!/bin/sh\necho newer\n")
    (tree / "usr/bin/less").chmod(0o755)
    repository.add("core", "less", "2.0-1", tree, ("bash",))
    assert gateway.gaol("base", "sync", base, check=True, timeout=240).stdout.startswith("changing  generation 2: ")
    assert gateway.gaol("run", "--base", base, "--no-network", "--", "less").stdout == "newer\n"
    newest = gateway.json("base", "history", base)[-1]
    assert newest["moved_files"] < newest["files"] / 10, "what is the same is shared with the generation before"
