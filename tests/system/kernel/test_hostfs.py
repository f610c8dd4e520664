"""hostfs as the file system of a machine: POSIX, ownership, trees, a home shared with the host, and what a crash loses."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest

from system.support.hostfs_machine import OWNER, PROMISED, machine_fixture, programs_fixture, store_fixture  # noqa: F401
from system.support.kernel_machine import kernel_fixture  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.mark.parametrize("flags", ["", ":slow"])
def test_posix(machine, flags):
    """Also where helper threads make all calls of the host."""
    machine.flags = flags
    machine.run("ulimit -n 8192; /posix /test")


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_agrees_with_a_model(machine, seed):
    machine.run(f"mkdir /model/m; python3 /model.py {seed} 3000 /test /model/m")


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_cached_is_true(machine, seed):
    machine.run(f"python3 /stress.py {seed} 1500 /test")


def test_large_files_hold_what_was_written(machine):
    console = machine.run("python3 /fsx.py 1 400 /test; sync")
    told = dict(line.split() for line in console.splitlines() if len(line.split()) == 2 and len(line) > 60)
    files = list((machine.root / "test").iterdir())
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == told


def test_only_trees_can_be_mounted(machine):
    machine.run(
        """
        try() { if mount -c "$@"; then echo "mounted: $*"; exit 1; fi; }
        try -t hostfs none /mnt
        try -t hostfs /etc /mnt
        try -t hostfs none /mnt -o /etc
        try -t hostfs none /mnt -o hostfs=/etc
        try -t hostfs root /mnt -o /../etc
        try -t hostfs root /mnt -o hostfs=/../etc
        mount -c -t hostfs usr /mnt
        if touch /mnt/x; then exit 1; fi
        try -o remount,rw /mnt
        umount /mnt
        mount -c -t hostfs root /mnt
        echo one > /mnt/test/file
        echo two > /test/file
        grep two /mnt/test/file
        """
    )


def _told_of_disk(machine) -> list[int]:
    """Bytes of the root as programs are told: all, free, available."""
    console = machine.run("echo told $(stat -f -c '%S %b %f %a' / /usr)")
    figures = [int(figure) for line in console.splitlines() if line.startswith("told") for figure in line.split()[1:]]
    root, other = figures[:4], figures[4:]
    assert other[1] > 0, "the other tree has none"
    return [root[0] * blocks for blocks in root[1:]]


def test_a_tree_has_a_disk_of_its_own(machine):
    """As large and as full as a file on the host says, now; that of the host, where it can't be understood."""
    host = os.statvfs(machine.root)
    quota = machine.shown / "quota"
    machine.words = (f"hostfs_quota=root:{quota}", "hostfs_quota=nobody:/etc/passwd", "hostfs_quota=nonsense")
    all_of_it = host.f_frsize * host.f_blocks
    quota.write_text(f"{1 << 30} {5 << 20}\n")
    assert _told_of_disk(machine) == [1 << 30, (1 << 30) - (5 << 20), (1 << 30) - (5 << 20)]
    quota.write_text(f"{1 << 30} {(1 << 30) + 4096}\n")
    assert _told_of_disk(machine) == [1 << 30, 0, 0]
    quota.write_text(f"{1 << 50} 1\n")
    size, free, available = _told_of_disk(machine)
    assert (size, free) == (1 << 50, (1 << 50) - 4096)
    assert available < all_of_it, "no more than the host has"
    for nonsense in ("", "one two\n", "5"):
        quota.write_text(nonsense)
        assert _told_of_disk(machine)[0] == all_of_it
    quota.unlink()
    assert _told_of_disk(machine)[0] == all_of_it


def test_a_disk_fills_as_the_host_counts_it(machine):
    quota = machine.shown / "quota"
    quota.write_text(f"{1 << 30} 0\n")
    machine.words = (f"hostfs_quota=root:{quota}",)
    running = machine.start("until [ $(stat -f -c %f /) -lt 1000 ]; do :; done")
    quota.write_text(f"{1 << 30} {(1 << 30) - 999 * 4096}\n")
    assert "EXIT 0" in running.finish(PROMISED)


def test_ids_on_the_host_are_the_ids_inside(machine):
    machine.run("umask 022; cd /test; touch root; touch user; chown 1234:4321 user; chmod 4755 user; mkdir -m 1777 dir")
    seen = {path.name: path.lstat() for path in (machine.root / "test").iterdir()}
    assert (seen["root"].st_uid, seen["root"].st_gid) == (0, 0)
    assert (seen["user"].st_uid, seen["user"].st_gid) == (1234, 4321)
    assert oct(seen["user"].st_mode) == "0o104755"
    assert oct(seen["dir"].st_mode) == "0o41777"


def test_home_is_the_owners_whoever_acts(machine):
    """The squash matrix: who acts inside, and whose file it is on the host."""
    files = {"owners": (OWNER, 0o600), "roots": (0, 0o600), "readable": (0, 0o644), "strangers": (2000, 0o660)}
    for name, (uid, mode) in files.items():
        path = machine.home / name
        path.write_text(name)
        path.chmod(mode)
        os.chown(path, uid, uid)
    (machine.home / "locked").mkdir(0o700)
    console = machine.run(
        f"""
        mount -c -t hostfs home /home; cd /home; umask 022
        for who in 0 {OWNER} 2000; do
            as() {{ setpriv --reuid $who --regid $who --clear-groups "$@" 2>/dev/null; }}
            for name in owners roots readable strangers; do
                as cat $name >/dev/null && echo "$who reads $name" || :
                as sh -c "echo >> $name" && echo "$who writes $name" || :
            done
            as ls locked && echo "$who lists locked" || :
            as touch new$who && echo "$who makes" || :
            as chown 2000 owners && echo "$who gives away" || :
            as chmod 644 roots && echo "$who changes the mode of roots" || :
        done
        mknod node c 1 3 2>/dev/null && echo "makes a node" || :
        stat -c "%n %u" roots
        """
    )
    said = [line for line in console.splitlines() if line.startswith(("0 ", f"{OWNER} ", "2000 ", "makes", "roots"))]
    allowed = ["reads owners", "writes owners", "reads readable", "makes"]
    roots = "0" if not machine.jailed else "65534"
    assert said == [f"0 {what}" for what in allowed] + [f"{OWNER} {what}" for what in allowed] + [
        "2000 reads readable", f"roots {roots}"
    ]  # fmt: skip
    for who in (0, OWNER):
        assert (machine.home / f"new{who}").stat().st_uid == OWNER


def test_home_can_be_unmounted(machine):
    machine.run(
        """
        mount -c -t hostfs home /home; echo kept > /home/before; umount /home; [ ! -e /home/before ]
        mount -c -t hostfs home /home; grep kept /home/before; umount /home
        """
    )
    assert (machine.home / "before").read_text() == "kept\n"


def test_a_mount_in_a_home_stays(machine):
    """Also when its directory is looked up again, and the host asked whether it is still the same."""
    machine.run(
        """
        mount -c -t hostfs home /home; cd /home
        mkdir directory; mount -c -t tmpfs tmpfs directory; touch file; mount -c --bind /proc/version file; touch directory/inside
        sleep 0.1; ls -l . directory > /dev/null; stat directory file
        mkdir beside; mv beside other; touch new; rm new
        [ -e directory/inside ]; grep Linux file
        umount file directory; [ ! -e directory/inside ]
        """
    )


def test_home_is_shared_both_ways(machine):
    inside = machine.start(
        """
        mount -c -t hostfs home /home; cd /home
        cat missing 2>/dev/null || :; echo first > from-inside; sync
        echo READY
        until [ -e missing ]; do :; done
        until [ "$(cat changed)" = after ]; do :; done
        until [ ! -e removed ]; do :; done
        cat missing
        """
    )
    for name, text in (("changed", "before"), ("removed", "")):
        (machine.home / name).write_text(text)
        os.chown(machine.home / name, OWNER, OWNER)
    inside.wait_for("READY")
    assert (machine.home / "from-inside").read_text() == "first\n"
    (machine.home / "missing").write_text("there now\n")
    (machine.home / "changed").write_text("after")
    (machine.home / "removed").unlink()
    inside.wait_for("there now")
    inside.wait_for("EXIT 0", PROMISED)


def test_appending_from_both_sides_loses_nothing(machine):
    log = machine.home / "log"
    log.touch()
    os.chown(log, OWNER, OWNER)
    inside = machine.start(
        """
        mount -c -t hostfs home /home
        echo READY
        python3 -c 'for i in range(2000): open("/home/log", "a").write(f"inside {i}\\n")'
        """
    )
    inside.wait_for("READY")
    for i in range(2000):
        with log.open("a") as file:
            file.write(f"outside {i}\n")
    inside.wait_for("EXIT 0", PROMISED)
    lines = log.read_text().splitlines()
    assert [line for line in lines if line.startswith("outside")] == [f"outside {i}" for i in range(2000)]
    assert [line for line in lines if line.startswith("inside")] == [f"inside {i}" for i in range(2000)]


def test_what_was_synced_survives_a_kill(machine):
    inside = machine.start(
        """
        exec python3 -u -c '
import mmap, os
i = 0
shared = os.open("/test/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(shared, 1 << 20)
view = mmap.mmap(shared, 1 << 20)
while True:
    fd = os.open(f"/test/new{i}", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x" * 5000)
    os.fsync(fd)
    os.close(fd)
    os.rename(f"/test/new{i}", f"/test/file{i}")
    view[i * 8:i * 8 + 8] = b"%08d" % i
    view.flush()
    print("SYNCED", i)
    i += 1
'
        """
    )
    inside.wait_for("SYNCED 40\n", PROMISED)
    inside.kill()
    mapped = (machine.root / "test/mapped").read_bytes()
    for i in range(41):
        assert (machine.root / f"test/file{i}").read_bytes() == b"x" * 5000
        assert mapped[i * 8 : i * 8 + 8] == b"%08d" % i


def test_attributes_and_nodes_are_hidden_marks_on_the_host(machine):
    """Where the host refuses a name or a node to the jail, it is kept as something the host gives to anybody."""
    machine.run('cd /test; python3 -c \'import os; os.setxattr(".", "trusted.t", b"v")\'; mknod disk b 7 1')
    marked = machine.root / "test"
    assert os.getxattr(marked, "user.hostfs.trusted.t") == b"v"
    if machine.jailed:
        assert os.getxattr(marked / "disk", "user.hostfs.node") == b"b 7:1"
        assert oct((marked / "disk").stat().st_mode) == "0o101644"


def test_overlay_on_hostfs(machine):
    machine.run(
        """
        cd /test; mkdir l u w m; echo low > l/a; mkdir l/d; echo x > l/d/x; ln -s a l/s
        mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m
        cd m; [ "$(cat a)" = low ]; echo up > a; rm s; rm -r d; mkdir d; echo new > d/n
        cd ..; umount m
        mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m
        [ "$(cat m/a)" = up ]; [ ! -e m/s ]; [ "$(ls m/d)" = n ]; [ "$(cat l/a)" = low ]
        """
    )


def test_file_capabilities_count_inside(machine):
    shutil.copy(shutil.which("busybox") or "/usr/bin/cat", machine.root / "test/cat")
    name = "cat"
    machine.run(
        f"""
        cd /test; echo secret > s; chmod 600 s; cp {name} plain
        python3 -c '
import os, struct
CAP_DAC_OVERRIDE = 1
os.setxattr("{name}", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << CAP_DAC_OVERRIDE, 0, 0, 0))'
        setpriv --reuid 1000 --clear-groups ./{name} s
        if setpriv --reuid 1000 --clear-groups /bin/cat s; then exit 1; fi
        """
    )
