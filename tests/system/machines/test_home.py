"""The owner's home inside: the same files, the owner's own identity, and nothing more than the owner may."""

from __future__ import annotations

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def pair(gateway, alice, bob):
    """A machine of alice's and one of bob's, at the same time."""
    with leaving_nothing(gateway), ExitStack() as machines:
        yield [machines.enter_context(running(gateway, user, "box", "--no-network")) for user in (alice, bob)]


@pytest.fixture
def hers(pair):
    return pair[0]


@pytest.fixture
def work(alice):
    """A directory of alice's, empty; whatever is in it goes afterwards."""
    directory = alice.home / "work"
    directory.mkdir(mode=0o755)
    os.chown(directory, alice.uid, alice.gid)
    yield directory
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    directory.rmdir()


def as_alice(gateway, alice, script):
    """On the host."""

    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, **gateway.options(alice))


def test_both_are_root_in_their_own_machine(pair):
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda machine: machine.sh("id -u"), pair)) == ["0", "0"]


def test_the_account_inside_is_the_owners(pair):
    for machine in pair:
        user = machine.user
        assert machine.sh("id -u; id -g; echo $HOME", guest_user=user.name).split() == [
            str(user.uid),
            str(user.gid),
            str(user.home),
        ]
        assert machine.sh(f"getent passwd {user.name}").split(":")[6] == "/bin/bash"


@pytest.mark.parametrize("who", ["root", "owner", "daemon"])
def test_whoever_makes_a_file_inside_it_is_the_owners_on_the_host(gateway, alice, hers, work, who):
    guest_user = alice.name if who == "owner" else who
    if who == "daemon":
        hers.sh(f"chmod 777 {work}")
    hers.sh(f"cd {work}; umask 022; echo new > file; mkdir directory; ln -s file link; mkfifo fifo", guest_user=guest_user)
    for name in ("file", "directory", "link", "fifo"):
        found = (work / name).lstat()
        assert (found.st_uid, found.st_gid) == (alice.uid, alice.gid), name
    assert as_alice(gateway, alice, f"cat {work}/file; echo more >> {work}/file").stdout == "new\n"
    assert hers.sh(f"cat {work}/file") == "new\nmore", "and seen inside at once"


def test_what_is_made_on_the_host_is_there_inside_at_once(gateway, alice, hers, work):
    for number in range(20):
        as_alice(gateway, alice, f"echo {number} > {work}/file; mkdir {work}/d{number}")
        assert hers.sh(f"cat {work}/file; stat -c %u {work}/d{number}").split() == [str(number), str(alice.uid)]
    as_alice(gateway, alice, f"rm {work}/file; mv {work}/d0 {work}/moved")
    assert hers.exec("test", "-e", f"{work}/file").returncode == 1
    assert hers.sh(f"ls -d {work}/moved {work}/d0 2> /dev/null || true") == f"{work}/moved"


def test_modes_and_times_are_kept(alice, hers, work):
    hers.sh(f"cd {work}; echo x > file; chmod 640 file; touch -d @1000000000 file; echo x > run; chmod 755 run; ./run || true")
    found = (work / "file").stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert found.st_mtime == 1_000_000_000
    (work / "file").chmod(0o604)
    assert hers.sh(f"stat -c %a {work}/file") == "604"


def test_chown_to_somebody_else_is_refused(alice, hers, work):
    """Nobody gives a file away on the host: neither does root of a machine."""
    hers.sh(f"echo x > {work}/file")
    for to in ("1", "65534", "daemon:daemon"):
        assert hers.exec("chown", to, f"{work}/file").returncode != 0, to
    assert hers.exec("chown", f"{alice.uid}:{alice.gid}", f"{work}/file").returncode == 0
    assert (work / "file").stat().st_uid == alice.uid


def test_no_setuid_program_for_the_host(alice, hers, work):
    """A program that root inside marks is still alice's outside; it gives nobody root."""
    hers.exec("sh", "-c", f"cp /bin/id {work}/id; chown root {work}/id; chmod 6755 {work}/id")
    found = (work / "id").stat()
    assert (found.st_uid, found.st_gid) == (alice.uid, alice.gid)


def test_no_device_node(hers, work):
    assert hers.exec("mknod", f"{work}/mem", "c", "1", "1").returncode != 0


def test_what_the_owner_may_not_read_root_inside_may_not_either(gateway, alice, hers, work):
    secret = work / "secret"
    secret.write_text("root's\n")
    secret.chmod(0o600)
    closed = work / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("root's\n")
    assert as_alice(gateway, alice, f"cat {secret}").returncode != 0
    for command in (f"cat {secret}", f"echo x > {secret}", f"chmod 644 {secret}", f"chown root {secret}", f"ls {closed}",
                    f"cat {closed}/file", f"chmod 777 {closed}"):  # fmt: skip
        assert hers.exec("sh", "-c", command).returncode != 0, command
    assert secret.read_text() == "root's\n"


def test_neither_sees_the_other(gateway, pair, alice, bob):
    (bob.home / "letter").write_text("bob's\n")
    (bob.home / "letter").chmod(0o644)
    try:
        hers = pair[0]
        assert hers.sh("ls /home") == alice.name
        assert hers.exec("cat", str(bob.home / "letter")).returncode != 0
        names = [[machine["owner"] for machine in gateway.json("ls", user=user)] for user in (alice, bob)]
        assert names == [[alice.name], [bob.name]]
        hers.sh("echo hers > /root/mark")
        assert pair[1].exec("test", "-e", "/root/mark").returncode == 1
    finally:
        (bob.home / "letter").unlink()


def test_a_link_in_the_home_leads_nowhere_on_the_host(hers, work):
    (work / "link").symlink_to("/etc/shadow")
    (work / "up").symlink_to("../../..")
    assert hers.sh(f"cat {work}/link") == hers.sh("cat /etc/shadow"), "a link means the machine's own file"
    assert "uml" in hers.sh(f"ls {work}/up")


def test_hostfs_shows_nothing_else(hers):
    """Root inside may mount; the kernel knows four trees and no paths."""
    for what in ("/", "/etc", "/home", "/proc/1/root", "..", "nothing"):
        assert hers.exec("mount", "-t", "hostfs", what, "/mnt").returncode != 0, what
        assert hers.exec("mount", "-t", "hostfs", "-o", what, "none", "/mnt").returncode != 0, what


def test_a_home_that_is_not_the_owners_is_not_shown(gateway, bob):
    """bob's account says that his home is there, but it belongs to root."""
    os.chown(bob.home, 0, 0)
    try:
        done = gateway.gaol("run", "--no-network", "--", "true", user=bob, cwd="/")
        assert done.returncode == 4
        assert "--no-home" in done.stderr
        assert gateway.gaol("run", "--no-network", "--no-home", "--", "true", user=bob, cwd="/").returncode == 0
    finally:
        os.chown(bob.home, bob.uid, bob.gid)


def test_a_home_that_is_a_link_to_elsewhere_is_not_followed_to_others_files(gateway, alice, bob):
    moved = bob.home.with_name(f"{bob.name}.moved")
    bob.home.rename(moved)
    bob.home.symlink_to(alice.home)
    try:
        assert gateway.gaol("run", "--no-network", "--", "ls", str(bob.home), user=bob, cwd="/").returncode == 4
    finally:
        bob.home.unlink()
        moved.rename(bob.home)


def test_groups_of_the_owner_count(gateway, warden):
    """Files of a further group that the owner is in, as in a directory that is shared with that group."""
    directory = warden.home / "shared"
    directory.mkdir()
    (gid,) = set(warden.groups) - {warden.gid}
    os.chown(directory, warden.uid, gid)
    directory.chmod(0o2775)
    try:
        with running(gateway, warden, "box", "--no-network") as machine:
            assert str(gid) in machine.sh("id -G", guest_user=warden.name).split()
            assert machine.sh(f"stat -c %g {directory}") == str(gid)
            machine.sh(f"echo x > {directory}/file; echo y > ~/own; chgrp {gid} ~/own", guest_user=warden.name)
            machine.sh(f"echo x > {directory}/by-root")
        for path in (directory / "file", directory / "by-root", warden.home / "own"):
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (warden.uid, gid), path
    finally:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def test_a_stop_leaves_the_home_in_order(gateway, alice, work):
    """The kernel unmounts it, and says nothing of trouble."""
    with running(gateway, alice, "leaving", "--no-network") as machine:
        machine.sh(f"echo kept > {work}/last")
        machine.gaol("down", check=True)
        log = machine.gaol("log", check=True).stdout
        assert "Kernel panic" not in log and "fault at" not in log, log
    assert (work / "last").read_text() == "kept\n"


def test_what_the_host_mounts_in_the_home_is_refused_and_never_written_under(hers, work):
    """Also what is mounted while the machine runs, from the moment that the daemon hears of it until it is gone."""
    place = work / "usb"
    place.mkdir()
    os.chown(place, hers.user.uid, hers.user.gid)
    hers.sh(f"touch {place}/before")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", place], check=True)
    try:
        hers.sh(f"until ! touch {place}/probe; do rm -f {place}/probe; sleep 0.05; done 2>/dev/null")
        (place / "stick").write_text("the host's")
        for attempt in (f"ls {place}", f"echo lost > {place}/lost", f"rmdir {place}", f"mv {place} {work}/elsewhere"):
            assert hers.sh(f"{attempt} 2>/dev/null || echo refused") == "refused"
        assert os.path.ismount(place)
    finally:
        subprocess.run(["umount", place], check=True)
    hers.sh(f"until touch {place}/after 2>/dev/null; do sleep 0.05; done; rm -f {place}/probe")
    assert {path.name for path in place.iterdir()} == {"before", "after"}
