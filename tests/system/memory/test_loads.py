"""Whatever its owner does inside, the host never ends a machine: who wants too much hears it inside, or is killed there."""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import contextmanager

import pytest

from system.memory.loads import LONG, compile_load, loaded
from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return compile_load(tmp_path_factory.mktemp("load"))


@pytest.fixture(params=["seccomp", "ptrace"])
def mode(request):
    return request.param


# the faults that this was made for


@pytest.mark.parametrize("mode", ["seccomp", "ptrace"])
def test_twelve_hundred_sleeps_beside_a_full_page_cache(gateway, alice, program, mode):
    with loaded(gateway, alice, program, "512M", "--mode", mode) as full:
        full.fill_cache(450)
        count = "i=0; while [ $i -lt 1200 ]; do sleep 1000 & i=$((i+1)); done 2> /dev/null"
        full.machine.exec("sh", "-c", f"{count}; exec sleep 0", timeout=LONG)
        full.lives()
        assert full.machine.exec("pkill", "sleep", timeout=LONG).returncode == 0, "root can still come in, and end them"
        until(lambda: full.machine.exec("pgrep", "sleep", timeout=LONG).returncode == 1, "they end")
        full.lives()


def test_a_thousand_processes_that_wait_for_a_futex(gateway, alice, program):
    with loaded(gateway, alice, program, "1536M") as full:
        full.fill_cache(1400)
        assert full.got("futex", "1000") == 1000, "there is room for all of them"
        full.lives()


def test_who_comes_in_while_memory_is_full(gateway, alice, program, mode):
    """What runs keeps its text, and new processes are refused while there is room for others to come in and end the old ones."""
    with loaded(gateway, alice, program, "256M", "--mode", mode) as full:
        full.fill_cache(220)
        full.got("touch", "1000")
        before = read_again(full)
        full.got("busy", "6", "60")
        assert read_again(full) - before < _READ_AGAIN
        with _held(gateway, alice, "scatter 6 200"):
            for _ in range(5):
                assert full.machine.exec("true", timeout=LONG).returncode == 0, "others come in"
            assert available(full) >= 8 << 10
            assert full.machine.exec("pkill", "load", timeout=LONG).returncode == 0, "and end it"
        until(lambda: full.got("fork", "50") == 50, "there is room again")


@pytest.mark.parametrize("words", ["fork 5000", "threads 10000"])
def test_who_comes_in_while_there_are_no_more_processes(gateway, alice, program, words):
    """As many as there may be, of root's; a shell that is opened then starts what it takes to look around, and to end them."""
    with loaded(gateway, alice, program, "256M") as full, _held(gateway, alice, words):
        assert full.machine.sh("ls / | grep etc", timeout=LONG) == "etc"
        assert full.machine.exec("pkill", "load", timeout=LONG).returncode == 0
        until(lambda: full.got("fork", "50") == 50, "there is room again")


def test_who_comes_in_while_no_more_files_can_be_opened(gateway, alice, program):
    """Each open file is a descriptor of the host's and costs its memory: what is more than every machine has room for is charged."""
    with loaded(gateway, alice, program, "256M") as full:
        before = owed(full)
        with _held(gateway, alice, "files 70000") as got:
            assert got > 1000
            assert full.machine.sh("ls / | grep etc", timeout=LONG) == "etc"
            assert owed(full) - before >= (got - 16384 - 512) * 1536 / 1024
            assert full.machine.exec("pkill", "load", timeout=LONG).returncode == 0
        until(lambda: full.got("files", "500") == 500, "files can be opened again")
        until(lambda: owed(full) - before < 1024, "and what was set aside for them is given back")


def test_who_is_killed_first(gateway, alice, program):
    """Who takes memory that comes back with them: not who reads a large file, and last who has just come in."""

    def score() -> int:
        return int(full.machine.sh("cat /proc/$(pgrep -x load)/oom_score", timeout=LONG))

    with loaded(gateway, alice, program, "256M") as full:
        full.machine.sh("head -c 60M /dev/zero > /big")
        with _held(gateway, alice, "map 60"):
            reads = score()
        with _held(gateway, alice, "touch 60"):
            takes = score()
        assert takes - reads > 100, "thousandths of memory, two thirds of them"
        came_in, older = full.machine.sh("cat /proc/$$/oom_score; cat /proc/self/oom_score; true").split()
        assert int(older) - int(came_in) > 10


@contextmanager
def _held(gateway, user, words):
    """A load that has got what it wants, or what there is, until the end, or until it is killed."""
    command = ("exec", "loaded", "--user", "root", "--", "load", *words.split())
    with gateway.popen(*command, user=user, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        what, number = load.stdout.readline().split()
        assert what == b"got"
        yield int(number)
        load.stdin.close()


_READ_AGAIN = 500
"""Pages of files, while memory fills up and processes are killed for it: 6 were seen, 1,041 before text was kept."""


def read_again(full) -> int:
    return int(full.machine.sh("sed -n 's/^workingset_refault_file //p' /proc/vmstat"))


def owed(full) -> int:
    """KiB that are set aside for what the host spends."""
    return int(full.machine.sh("sed -n 's/^Owed: *\\([0-9]*\\) kB/\\1/p' /proc/hostcost"))


def available(full) -> int:
    """KiB."""
    return int(full.machine.exec("sed", "-n", "s/^MemAvailable: *\\([0-9]*\\) kB/\\1/p", "/proc/meminfo").stdout)


# one way each to take what was not granted


@pytest.mark.parametrize(
    "words",
    [
        "fork 5000",
        "threads 10000",
        "touch 1000",
        "scatter 120 12",
        "busy 6 200",
        "shared 60 60",
        "bomb 4",
    ],
)
def test_loads(gateway, alice, program, mode, words):
    with loaded(gateway, alice, program, "256M", "--mode", mode) as full:
        full.fill_cache(220)
        full.got(*words.split())
        full.got("fork", "20")


@pytest.mark.parametrize(("memory", "megabytes"), [("128M", 150), ("1G", 1200)])
def test_a_tmpfs_that_holds_more_than_there_is(gateway, alice, program, memory, megabytes):
    with loaded(gateway, alice, program, memory) as full:
        full.machine.sh("mount -o remount,size=60% /dev/shm || mount -t tmpfs -o size=60% tmpfs /dev/shm")
        done = full.machine.exec("sh", "-c", f"head -c {megabytes}M /dev/zero > /dev/shm/much", timeout=LONG)
        assert done.returncode != 0
        full.lives()
        full.machine.exec("rm", "-f", "/dev/shm/much")
        assert full.got("fork", "50") == 50


def test_small_and_large_machines(gateway, alice, program):
    """Page tables by the gigabyte, in a machine of 128M and in one of 2G."""
    for memory, words in (("128M", "shared 30 60"), ("2G", "shared 200 90")):
        with loaded(gateway, alice, program, memory) as full:
            full.got(*words.split())
            assert full.got("fork", "30") == 30


def test_a_neighbour_does_not_notice(gateway, alice, program, quiet_neighbour):
    before = quiet_neighbour.info()["pid"]
    with loaded(gateway, alice, program, "256M") as full:
        full.got("bomb", "5")
        full.got("scatter", "100", "12")
    assert quiet_neighbour.sh("sha256sum /dev/shm/kept").split()[0] == quiet_neighbour.sh("cat /root/sum")
    assert quiet_neighbour.info()["pid"] == before


@pytest.fixture
def quiet_neighbour(gateway, bob):
    with running(gateway, bob, "beside", "--no-network") as machine:
        machine.sh("head -c 40M /dev/urandom > /dev/shm/kept; sha256sum /dev/shm/kept | cut -d' ' -f1 > /root/sum")
        yield machine


# and any of them, one after the other

_KINDS = {
    "fork": lambda draw: f"fork {draw.randrange(10, 4000)}",
    "futex": lambda draw: f"futex {draw.randrange(10, 1500)}",
    "threads": lambda draw: f"threads {draw.randrange(10, 12000)}",
    "touch": lambda draw: f"touch {draw.randrange(10, 1500)}",
    "scatter": lambda draw: f"scatter {draw.randrange(10, 150)} {draw.randrange(1, 20)}",
    "shared": lambda draw: f"shared {draw.randrange(10, 80)} {draw.randrange(1, 60)}",
    "bomb": lambda draw: f"bomb {draw.randrange(1, 4)}",
}
_ROUNDS = 3
"""Short, for each run of the tests; GAOLER_TEST_ROUNDS asks for more."""


@pytest.mark.parametrize("number", range(2))
def test_drawn_loads(gateway, alice, program, number):
    draw = random.Random(f"{os.environ.get('GAOLER_TEST_SEED', '14')}.{number}")
    memory, mode = draw.choice(["128M", "256M", "512M", "1G"]), draw.choice(["seccomp", "ptrace"])
    done = []
    with loaded(gateway, alice, program, memory, "--mode", mode) as full:
        for _ in range(int(os.environ.get("GAOLER_TEST_ROUNDS", _ROUNDS))):
            at_once = [_KINDS[draw.choice(list(_KINDS))](draw) for _ in range(draw.randrange(1, 3))]
            done.append(" & ".join(at_once))
            script = " & ".join(f"load {words} < /dev/null" for words in at_once)
            full.machine.exec("sh", "-c", f"{script} & wait", timeout=LONG)
            try:
                full.lives()
            except AssertionError as error:
                raise AssertionError(f"{memory}, {mode}, after {'; '.join(done)}") from error
