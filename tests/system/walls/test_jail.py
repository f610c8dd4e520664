"""A kernel process that was taken over (hostile/), in the jail that machines get: what it tries, and what it is."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import socket
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from gaoler.errors import Failed
from gaoler.host import cgroup, console, jail, mconsole
from gaoler.host.jail import bundle, seccomp
from gaoler.host.net.tap import open_tap
from system.support.host import nothing_left_over, store, tap_name  # noqa: F401 - fixtures
from system.support.jail_place import compiled, open_directory, opened, prepared, tmp_path  # noqa: F401 - fixtures

pytestmark = pytest.mark.root

GOLDEN = Path(__file__).parent / "golden"
SOURCES = str(Path(__file__).parents[3] / "src")
OWNER = 1000
ATTEMPTS = 600
"""At least so many: a program that ended early, or was thinned out, has not shown anything."""


@pytest.fixture(scope="session")
def probe():
    with open_directory() as directory:
        yield compiled("hostile", directory)


@pytest.fixture
def place(tmp_path, store, probe):  # noqa: F811
    yield from opened(tmp_path, store, probe)


@pytest.fixture
def tap():
    descriptor = open_tap(tap_name())
    yield descriptor
    os.close(descriptor)


def numbers() -> set[int]:
    """System calls that the filter lets through, with whatever arguments, by number."""
    library = ctypes.CDLL("libseccomp.so.2")
    names = {name for rule in seccomp.filter_()["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    return {number for name in names if (number := library.seccomp_syscall_resolve_name(name.encode())) >= 0}


def lay_out_home(place) -> None:
    home = place.directory / "home"
    home.mkdir(mode=0o700)
    for name, mode in (("hers", 0o755), ("foreign", 0o600), ("group", 0o660)):
        (home / name).write_text("secret")
        (home / name).chmod(mode)
    (home / "foreign.d").mkdir(mode=0o700)
    os.chown(home / "hers", OWNER, OWNER)
    os.chown(home / "group", 0, 4)  # adm
    os.chown(home, OWNER, OWNER)


def test_everything_it_tries_is_refused(place, tap):
    (place.gaols / "one").chmod(0o777)
    lay_out_home(place)
    notify_socket(place).close()
    told = place.told("all", str(OWNER), owner=OWNER, tap=tap)
    assert (told["open"], told["odd"]) == ([], [])
    assert len(told["held"]) > ATTEMPTS
    assert sorted(path.name for path in (place.gaols / "one").iterdir()) == []
    assert sorted(path.name for path in (place.directory / "home").iterdir()) == ["foreign", "foreign.d", "group", "hers"]
    assert (place.directory / "home/hers").stat().st_uid == OWNER


def test_system_calls_that_are_not_listed_are_refused(place):
    told = place.told("sweep", ",".join(map(str, sorted(numbers()))))
    assert [told[kind] for kind in ("call", "x32", "i386")] == [[], [], []]
    assert int(told["made"][0]) == 3 * 1024 - len(numbers())
    allowed = {int(line, 16) for line in told["ioctl"]}
    assert allowed <= {number & 0xFFFF_FFFF for number in seccomp._IOCTLS.values()}
    assert 0x5401 in allowed, "the sweep must be able to see one that is allowed"


def test_the_jail_is_as_it_was_reviewed(place, tap):
    """Who changes the jail changes this file: GAOLER_GOLDEN=1 writes it anew."""
    told = place.told("dump", owner=OWNER, tap=tap)
    golden = GOLDEN / "jail.txt"
    text = normal(told, place)
    if os.environ.get("GAOLER_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def normal(told, place) -> str:
    """The dump without what differs from one host, or one run, to the next."""
    wanted = ("Uid", "Gid", "Groups", "NStgid", "Cap", "NoNewPrivs", "Seccomp", "Umask", "SigBlk", "SigIgn")
    lines = [f"status {line}" for line in told["status:"] if line.startswith(wanted)]
    lines = [line for line in lines if not line.startswith("status Seccomp_filters")]
    # Signals 32 and 33 are the C library's own.
    lines = [re.sub(r"(SigIgn:\t)0000000[01]80000000", r"\g<1>0000000000000000", line) for line in lines]
    lines = [line for line in lines if not line.startswith("status NStgid") or line.endswith("\t1")]
    held = ("Max core", "Max locked")  # that of open files follows the host's
    lines += [f"limit {' '.join(line.split())}" for line in told["limits:"] if line.startswith(held)]
    for line in told["mountinfo:"]:
        fields = line.split()
        if fields[4].startswith("/proc/"):  # what is hidden there depends on what the host's kernel has
            continue
        kind = line.split(" - ")[1].split()
        options = sorted(set(fields[5].split(",")) - {"relatime", "noatime"})
        size = re.findall(r"(?:size|nr_inodes)=\w+", kind[2]) if kind[0] == "tmpfs" else []
        lines.append(f"mount {fields[4]} {','.join([*options, *size])} {kind[0] if kind[0] == 'tmpfs' else ''}".rstrip())
    lines += [f"{name} {' '.join(line.split())}" for name in ("uid_map", "gid_map") for line in told[f"{name}:"]]
    lines += [f"sysctl max_user_namespaces {line}" for line in told["max_user_namespaces:"]]
    lines += [f"environment {line}" for line in sorted(told["environment:"])]
    lines += [f"descriptor {re.sub(r'[0-9]{3,}', 'N', line)}" for line in told["descriptor:"]]
    rules = [rule for rule in seccomp.filter_()["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
    lines += [f"call {name}" for name in sorted({name for rule in rules for name in rule["names"]})]
    lines += [f"ioctl {name} {number:#x}" for name, number in seccomp._IOCTLS.items()]
    return "\n".join(lines) + "\n"


INTRUDER = """
import os, sys
from pathlib import Path
from gaoler.host import libc
libc.setns(os.pidfd_open(int(sys.argv[1])), 0x10000000)
os.setresgid(0, 0, 0)
os.setresuid(0, 0, 0)
for as_it_is in (True, False):
    if not as_it_is:
        Path("/proc/sys/user/max_user_namespaces").write_text("1")
    try:
        libc.unshare(0x10000000)
        print("made")
    except OSError as error:
        print(error.strerror)
"""
"""Somebody in the machine's user namespace whom neither its filter nor its capabilities hold; then without the limit."""


def test_without_the_filter_there_is_still_no_room_for_a_user_namespace(place):
    host = Path("/proc/sys/user/max_user_namespaces").read_text()
    described = place.jail("hold", "nothing")
    process = place.start(described)
    try:
        place.says("end")
        intruder = [sys.executable, "-c", INTRUDER, str(process.pid)]
        done = subprocess.run(intruder, capture_output=True, text=True, check=True, env={"PYTHONPATH": SOURCES})
        assert done.stdout.splitlines() == [os.strerror(errno.ENOSPC), "made"]
    finally:
        place.remove(described)
    assert Path("/proc/sys/user/max_user_namespaces").read_text() == host


@pytest.mark.parametrize("fault", ["it is missing", "it fails"])
def test_no_machine_runs_in_a_namespace_that_was_not_closed(place, fault):
    program = place.directory / "guest" / bundle.CLOSE_NAMESPACE
    program.unlink()
    if fault == "it fails":
        program.symlink_to("/bin/false")
    with pytest.raises(Failed, match="close-namespace"):
        place.start(place.jail("hold", "nothing"))
    assert jail.listed(runtime=place.runtime) == []
    os.write(place.writer, b".")
    assert b"end" not in os.read(place.reader, 1 << 16), "it ran"


def test_the_hosts_own_user_namespace_is_not_closed(probe):
    """Not even by mistake: tried in one where root is the host's root, as in the host's own."""
    program = probe.with_name("close-namespace")
    script = f"echo {{}} | {program}; echo $?; cat /proc/sys/user/max_user_namespaces"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script], capture_output=True, text=True, check=True
    )
    code, limit = done.stdout.split()
    assert code == "1"
    assert int(limit) > 0


@pytest.mark.parametrize("trap", ["symlink", "parent", "fifo", "directory", "full"])
def test_traps_for_who_talks_to_its_management_console(place, trap):
    """It also ignores all signals that can be ignored, and is ended at once."""
    described = place.jail("hold", trap)
    process = place.start(described)
    try:
        place.says("end")
        with pytest.raises(Failed):
            mconsole.ctrl_alt_del(process)
        process.kill(15)
        assert not process.wait(0.05), "it heeds SIGTERM, so that it shows nothing"
        begun = time.monotonic()
        jail.kill(process)
        assert process.wait(5)
        assert time.monotonic() - begun < 2
    finally:
        place.remove(described)


@pytest.mark.parametrize("where", ["itself", "child"])
def test_memory_beyond_the_limit_ends_it(place, where):
    """All of it where the kernel can do so (version 2); version 1 kills one process, and tells, so that we can."""
    described = place.jail("hog", where)
    process = place.start(described)
    ran_out = cgroup.oom_event(described.cgroup)
    try:
        place.says("end")
        if ran_out is not None:
            assert select.select([ran_out], [], [], 20)[0]
            process.kill()
        assert process.wait(20)
        assert ran_out is not None or cgroup.ran_out_of_memory(described.cgroup)
    finally:
        if ran_out is not None:
            os.close(ran_out)
        place.remove(described)


def test_noise_on_console_and_notify_is_taken_for_nothing(place):
    notify = notify_socket(place)
    described = place.jail("noise")
    process = place.start(described)
    try:
        before = len(os.listdir("/proc/self/fd"))
        seen = 0
        while seen < 200:
            assert select.select([notify, place.reader], [], [], 10)[0]
            if select.select([place.reader], [], [], 0)[0]:
                text = console.sanitised(os.read(place.reader, 1 << 16))
                assert not any(unicodedata.category(one) == "Cc" and one not in "\n\t" for one in text)
            if select.select([notify], [], [], 0)[0]:
                seen += 1
                assert mconsole.parse_notify(notify.recv(8192)) is None
        assert len(os.listdir("/proc/self/fd")) == before, "descriptors that were sent along were taken"
        assert process.alive()
    finally:
        place.remove(described)
        notify.close()


def notify_socket(place) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = place.directory / "notify/notify"
    sock.bind(str(path))
    path.chmod(0o666)
    return sock
