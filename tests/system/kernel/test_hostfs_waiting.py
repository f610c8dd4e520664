"""A machine goes on while the host doesn't: calls that block for as long as a test wants.

fsfreeze(8) of a machine's store blocks all that changes it; of the file system that the store's image lies on, the disk.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from system.support.hostfs_machine import OWNER, PROMISED, file_system, machine_fixture, programs_fixture  # noqa: F401
from system.support.kernel_machine import Machine, kernel_fixture, tap_fixture  # noqa: F401
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

# Answers whoever writes into the home, which is not on the store, for as long as the script runs.
ANSWERS = """
mount -c -t hostfs home /home
answer() { until [ -e /home/$1 ]; do :; done; echo "ANSWER $1"; }
"""
# Opens a file, and when asked to writes it, in pieces large enough to be left to a helper thread.
WRITE = """
import os, sys
file = open(sys.argv[1], "wb", buffering=0)
print("READY", flush=True)
while not os.path.exists("/home/write"):
    pass
file.write(bytes(1 << 20))
print("WRITTEN", flush=True)
"""
LONG_ENOUGH = "sleep 0.1"
"""A call is taken to be stuck after 20 ms; until then others are made at once."""


@pytest.fixture(scope="session")
def disk(tmp_path_factory) -> Iterator[Path]:
    """A file system for the store's image."""
    with file_system("ext4", tmp_path_factory.mktemp("disk") / "image", tmp_path_factory.mktemp("disk-mounted"), 2 << 30) as made:
        yield made


@pytest.fixture(scope="session")
def store(disk, tmp_path_factory) -> Iterator[Path]:
    with file_system("btrfs", disk / "image", tmp_path_factory.mktemp("mounted"), 1 << 30) as made:
        yield made


@contextmanager
def frozen(place: Path) -> Iterator[None]:
    subprocess.run(["fsfreeze", "--freeze", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", place], check=True)


def told_of_threads(pid: int, file: str) -> Iterator[str]:
    """What /proc tells of each, but for those that end meanwhile."""
    for path in Path(f"/proc/{pid}/task").glob(f"*/{file}"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_text()


def blocked(machine: Machine) -> int:
    """How many calls of the host its helpers wait in."""
    tasks = [text.rsplit(") ", 1) for text in told_of_threads(machine.process.pid, "stat")]
    return sum(name.endswith("(hostfs") and state.startswith("D") for name, state in tasks)


def ask(machine, inside: Machine, question: str) -> None:
    (machine.home / question).touch()
    inside.wait_for(f"ANSWER {question}\n")


def test_disk_hangs(machine, disk):
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test; echo old > old
        (answer begin; python3 -c 'import os; os.fsync(os.open("old", os.O_RDWR))'; echo SYNCED) &
        echo READY
        answer again; [ $(cat old) = old ]; echo new > new; mv new newer; rm newer; mkdir d
        answer last
        wait
        """
    )
    inside.wait_for("READY")
    with frozen(disk):
        ask(machine, inside, "begin")
        until(lambda: blocked(inside), "fsync waits for the disk")
        ask(machine, inside, "again")
        ask(machine, inside, "last")
        assert "SYNCED" not in inside.console
    inside.wait_for("SYNCED")
    assert "EXIT 0" in inside.finish(PROMISED)


def test_file_system_hangs(machine, store):
    """A large write is what finds out; then whatever else changes the tree waits without the machine, too."""
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test; echo old > old
        python3 -c '{WRITE}' large &
        answer more; {LONG_ENOUGH}
        for name in 1 2 3 4 5 6 7; do (echo > made$name; echo MADE) & done
        answer again; [ $(cat old) = old ]; ls -l /usr/bin > /dev/null
        answer last
        wait
        [ $(stat -c %s large) = 1048576 ]; ls made1 made2 made3 made4 made5 made6 made7
        """
    )
    inside.wait_for("READY")
    with frozen(store):
        (machine.home / "write").touch()
        until(lambda: blocked(inside) == 1, "write waits for the thaw")
        ask(machine, inside, "more")
        until(lambda: blocked(inside) > 1, "others wait, too")
        ask(machine, inside, "again")
        ask(machine, inside, "last")
        assert "WRITTEN" not in inside.console
        assert "MADE" not in inside.console
    assert "EXIT 0" in inside.finish(PROMISED)
    assert inside.console.count("MADE\n") == 7
    assert "WRITTEN" in inside.console


def test_tree_that_hangs_stops_no_other(machine, store):
    """However many calls of it wait."""
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test
        for name in 1 2 3 4 5 6 7 8 9; do python3 -c '{WRITE}' large$name & done
        answer sync; python3 -c '{WRITE}' /home/large; sync /home/large
        answer last
        wait
        """
    )
    until(lambda: inside.console.count("READY\n") == 9, "all have opened their files")
    with frozen(store):
        (machine.home / "write").touch()
        until(lambda: blocked(inside) > 1, "writes wait for the thaw")
        ask(machine, inside, "sync")
        ask(machine, inside, "last")
        assert (machine.home / "large").stat().st_size == 1 << 20
        assert (machine.home / "large").stat().st_uid == OWNER
    assert "EXIT 0" in inside.finish(PROMISED)


@pytest.mark.network
def test_network_goes_on(machine, disk, tap):
    fd, namespace = tap
    machine.words, machine.fds = (f"vec0:transport=tap,fd={fd}",), (fd,)
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test; echo old > old
        ip address add 10.83.0.2/24 dev vec0; ip link set vec0 up
        (answer begin; python3 -c 'import os; os.fsync(os.open("old", os.O_RDWR))') &
        echo READY
        wait
        """
    )
    inside.wait_for("READY")
    with frozen(disk):
        ask(machine, inside, "begin")
        until(lambda: blocked(inside), "fsync waits for the disk")
        ping = ["ip", "netns", "exec", namespace, "ping", "-c", "100", "-i", "0.002", "-W", "20", "10.83.0.2"]
        said = subprocess.run(ping, capture_output=True, text=True).stdout
        assert " 100 received" in said, said
    assert "EXIT 0" in inside.finish(PROMISED)


def test_process_that_waits_for_the_disk_can_be_killed(machine, disk):
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test; echo old > old
        python3 -c 'import os
while not os.path.exists("/home/begin"): pass
os.fsync(os.open("old", os.O_RDWR))' &
        echo READY
        answer kill; kill -TERM $!; wait $! || echo "KILLED $?"
        rm old
        answer last
        """
    )
    inside.wait_for("READY")
    with frozen(disk):
        (machine.home / "begin").touch()
        until(lambda: blocked(inside), "fsync waits for the disk")
        ask(machine, inside, "kill")
        inside.wait_for("KILLED 143")
        ask(machine, inside, "last")
        assert blocked(inside)
    assert "EXIT 0" in inside.finish(PROMISED)


@pytest.mark.parametrize("how", ["power off", "panic", "SIGKILL"])
def test_machine_ends_as_soon_as_the_host_lets_its_thread_go(machine, disk, how):
    machine.words = ("PANIC=1",) if how == "panic" else ()
    inside = machine.start(
        f"""
        {ANSWERS}
        cd /test; echo old > old
        (answer begin; python3 -c 'import os; os.fsync(os.open("old", os.O_RDWR))') &
        echo READY
        answer last
        """
    )
    inside.wait_for("READY")
    with frozen(disk):
        ask(machine, inside, "begin")
        until(lambda: blocked(inside), "fsync waits for the disk")
        if how == "SIGKILL":
            inside.process.kill()
        else:
            ask(machine, inside, "last")
            inside.wait_for("Kernel panic" if how == "panic" else "EXIT 0")
    assert (inside.process.wait(PROMISED) == 0) == (how == "power off")
    assert (machine.root / "test/old").read_text() == "old\n"


def test_helpers_have_no_more_rights_than_the_kernel_in_its_jail(quiet):
    quiet.sh("echo > /root/x; sync /root/x; sync")
    tasks = [text.splitlines() for text in told_of_threads(quiet.info()["pid"], "status")]
    assert "Name:\thostfs" in [task[0] for task in tasks]
    rights = ("Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp")
    assert len({tuple(line for line in task if line.startswith(rights)) for task in tasks}) == 1
