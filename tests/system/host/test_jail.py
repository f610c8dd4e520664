"""The jail, from inside: a program of ours in the kernel's place, started by the very same configuration."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gaoler.errors import Failed, NotAllowed
from gaoler.host import cgroup, jail
from gaoler.host.net.tap import open_tap
from system.support.host import nothing_left_over, store, tap_name  # noqa: F401 - fixtures
from system.support.jail_place import compiled, open_directory, opened, prepared, tmp_path  # noqa: F401 - fixtures

pytestmark = pytest.mark.root

OWNERS = [1000, 1_234_567]


@pytest.fixture(scope="session")
def probe():
    with open_directory() as directory:
        yield compiled("host_probe.c", directory)


@pytest.fixture
def place(tmp_path, store, probe):  # noqa: F811
    yield from opened(tmp_path, store, probe)


def status(told, name: str) -> str:
    return next(line.split(":", 1)[1].strip() for line in told["status"] if line.startswith(f"{name}:"))


def test_the_hosts_own_null_device_stays_the_hosts(place):
    before = os.stat("/dev/null")
    place.told("what", "1000")
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert (after.st_uid, after.st_mode & 0o777) == (0, 0o666)


def test_what_it_holds(place):
    tap = open_tap(tap_name())
    try:
        told = place.told("what", "1000", tap=tap)
    finally:
        os.close(tap)
    assert told["fd"][0].startswith("0 pipe:")
    assert [line.split()[0] for line in told["fd"]] == ["0", "1", "2", "3", "4"]
    assert told["fd"][4] == "4 /dev/net/tun"
    assert told["argument"] == ["/kernel/linux", "what", "1000"]
    assert {line.split("=")[0] for line in told["environment"]} <= {"TMPDIR", "HOME"}
    held = 0b11011011  # chown, dac_override, fowner, fsetid, setgid, setuid
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status(told, kind), 16) == held, kind
    for kind in ("CapInh", "CapAmb"):
        assert int(status(told, kind), 16) == 0, kind
    assert status(told, "NoNewPrivs") == "1"
    assert status(told, "Umask") == "0000"
    assert status(told, "Pid") == "1"
    assert status(told, "SigIgn") in {"0000000000000000", "0000000180000000"}  # glibc's own two
    limits = {line[:26].strip(): line[26:].split()[:2] for line in told["limits"]}
    assert limits["Max core file size"] == ["1", "1"]


def test_a_start_takes_nothing_of_the_hosts(place):
    """crun gives the standard streams that it finds to the machine's root."""
    null = os.stat("/dev/null")
    assert (null.st_uid, null.st_gid, stat.S_IMODE(null.st_mode)) == (0, 0, 0o666)
    place.told("what", "1000")
    assert os.stat("/dev/null") == null


def test_what_it_sees(place):
    told = place.told("what", "1000", owner=1000)
    mounts = {line.split()[4]: (line.split()[5].split(","), line.split(" - ")[1].split()[0]) for line in told["mount"]}
    shown = {path for path in mounts if not path.startswith(("/proc/", "/dev/"))}
    assert shown == {"/", "/gaol", "/home", "/uml/bin", "/uml/etc", "/uml/lib", "/config", "/kernel/linux", "/host",
                     "/run", "/dev", "/proc"}  # fmt: skip
    for path in ("/gaol", "/home"):
        assert {"rw", "nosuid", "nodev", "noexec", "idmapped"} <= set(mounts[path][0]), path
    for path in ("/", "/uml/bin", "/uml/etc", "/uml/lib", "/config", "/kernel/linux", "/host"):
        assert "ro" in mounts[path][0], path
    assert mounts["/dev/shm"][1] == "tmpfs"
    assert {"nosuid", "nodev"} <= set(mounts["/dev/shm"][0])


@pytest.mark.parametrize("owner", OWNERS)
def test_who_is_who_on_disk(place, owner):
    told = place.told("what", str(owner), owner=owner)
    assert f"/home/by-owner {owner} is {owner}.{owner} 4777" in told["make"]
    assert sum(line.startswith("/home/") and " is " in line for line in told["make"]) == 1
    gaol = place.gaols / "one"
    os.chmod(gaol, 0o755)
    assert [(gaol / name).stat().st_uid for name in ("by-root",)] == [0]
    home = place.directory / "home"
    assert {path.name: path.stat().st_uid for path in home.iterdir()} == {"by-owner": owner}
    assert stat.S_IMODE((home / "by-owner").stat().st_mode) == 0o4777


@pytest.mark.parametrize("owner", OWNERS)
def test_everybody_inside_keeps_his_ids(place, owner):
    (place.gaols / "one").chmod(0o777)
    place.told("what", str(owner), owner=owner)
    made = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in (place.gaols / "one").iterdir()}
    assert made == {"by-root": (0, 0), "by-user": (33, 33), "by-owner": (owner, owner)}


def test_a_home_that_cannot_be_mapped_takes_the_owner_as_himself(place):
    (place.gaols / "one").chmod(0o777)
    described = place.jail("what", "1000", owner=1000)
    described = replace(described, home=replace(described.home, squashed=True))
    place.start(described)
    try:
        told = place.says("end")
    finally:
        place.remove(described)
    assert "/home/by-owner 1000 is 1000.1000 4777" in told["make"]
    assert (place.directory / "home/by-owner").stat().st_uid == 1000
    assert (place.gaols / "one/by-owner").stat().st_uid == 1000
    assert (place.gaols / "one/by-root").stat().st_uid == 0


def test_what_it_tries(place):
    told = place.told("what", "1000")
    tried = dict(line.rsplit(" ", 1) if line.endswith("done") else (line, "refused") for line in told["try"])
    assert [name for name, result in tried.items() if result == "done"] == []
    assert len(tried) == 13


def test_what_it_may_not_even_ask_for(place):
    (place.gaols / "one").chmod(0o777)
    tap = open_tap(tap_name())
    try:
        tried = place.told("calls", tap=tap)["try"]
    finally:
        os.close(tap)
    expected = {True: "Function not implemented", False: "Operation not permitted"}
    assert [line for line in tried if not line.endswith(expected["by the new call" in line])] == []
    assert len(tried) == 20
    assert not list((place.gaols / "one").iterdir())


def test_a_home_of_somebody_else_is_not_shown(place):
    described = place.jail("what", owner=1000)
    os.chown(described.home.source, 1001, 1001)
    with pytest.raises(NotAllowed):
        place.start(described)
    assert jail.listed(runtime=place.runtime) == []


def test_a_home_is_reached_as_its_owner_reaches_it(place):
    """A link where the home was leads to a directory of the same owner that is behind a door of root's."""
    described = place.jail("what", owner=1000)
    behind = place.directory / "door/behind"
    behind.mkdir(parents=True)
    os.chown(behind, 1000, 1000)
    described.home.source.rmdir()
    described.home.source.symlink_to(behind)
    place.directory.joinpath("door").chmod(0o700)
    with pytest.raises(Failed, match="Permission denied"):
        place.start(described)
    place.directory.joinpath("door").chmod(0o750)
    os.chown(place.directory / "door", 0, 4321)
    described = replace(described, owner=jail.Owner("alice", 1000, 1000, (4321,)))
    place.start(described)
    place.says("end")
    place.remove(described)


def test_a_start_that_fails_says_why_and_leaves_nothing(place):
    described = replace(place.jail("stay"), kernel=place.directory / "none")
    with pytest.raises(Failed, match="No such file or directory"):
        place.start(described)
    assert jail.listed(runtime=place.runtime) == []


def test_kill_ends_all_of_it(place):
    described = place.jail("fork")
    process = place.start(described)
    children = int(place.says("children")["children"][0])
    assert 0 < children < 20  # the limit of processes held
    members = cgroup.processes(described.cgroup)
    assert len(members) == children + 1
    assert jail.listed("gaoler-test", runtime=place.runtime) == [described.name]
    assert jail.running(described.name, runtime=place.runtime) == process
    jail.kill(process)
    assert process.wait(10)
    assert not any(Path(f"/proc/{pid}").exists() for pid in members - {process.pid})  # that one may be a zombie yet
    place.remove(described)
    place.remove(described)
    assert jail.listed(runtime=place.runtime) == []


def test_memory_is_limited(place):
    described = place.jail("hog")
    process = place.start(described)
    try:
        assert process.wait(30)
    finally:
        place.remove(described)


def test_all_threads_run_on_the_chosen_processor(place):
    cpu = max(os.sched_getaffinity(0))
    described = replace(place.jail("fork"), cpu=cpu)
    place.start(described)
    try:
        place.says("children")
        assert all(os.sched_getaffinity(pid) == {cpu} for pid in cgroup.processes(described.cgroup))
    finally:
        place.remove(described)


def test_the_same_name_twice(place):
    described = place.jail("stay")
    process = place.start(described)
    try:
        place.says("here")
        with pytest.raises(Failed, match="already exists"):
            place.start(replace(described, bundle=place.directory / "bundle2"))
        assert process.alive()
    finally:
        place.remove(described)
