"""What was committed is there, whoever is killed: the server, or the machine with it."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import Machine, running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

TABLE = """CREATE DATABASE bank; USE bank;
    CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL);
    CREATE TABLE transfer (number INT PRIMARY KEY AUTO_INCREMENT, source INT, target INT, amount INT);
    INSERT INTO account SELECT seq, 1000 FROM seq_1_to_100"""
LEDGER = "SELECT (SELECT SUM(balance) FROM account), (SELECT COUNT(*) FROM transfer)"
#: Four clients at once; each says how many transfers of its own are committed, after each of them.
MARIADB_CLIENT = r"""
    client() {
        for number in $(seq 1 2000); do
            source=$(( (number * 7 + $1) % 100 + 1 )); target=$(( (number * 13 + $1 * 5) % 100 + 1 ))
            echo "BEGIN; UPDATE account SET balance = balance - 1 WHERE id = LEAST($source, $target);
                UPDATE account SET balance = balance + 1 WHERE id = GREATEST($source, $target);
                INSERT INTO transfer (source, target, amount) VALUES ($source, $target, 1); COMMIT; SELECT 'committed';"
        done | mariadb --unbuffered --skip-column-names bank
    }
    for one in 1 2 3 4; do client $one & done; wait"""
SQLITE_CLIENT = """
import sqlite3
ledger = sqlite3.connect("/root/ledger.db", isolation_level=None)
ledger.execute("PRAGMA journal_mode = %s")
ledger.execute("PRAGMA synchronous = FULL")
ledger.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, text TEXT)")
for number in range(100000):
    ledger.execute("BEGIN")
    ledger.executemany("INSERT INTO entry (text) VALUES (?)", [(str(number) * 50,)] * 2)
    ledger.execute("COMMIT")
    print("committed", flush=True)
"""


class Load:
    """A command inside that says a line for everything it has committed."""

    def __init__(self, machine: Machine, *command: str) -> None:
        words = ["exec", machine.name, "--user", "root", "--", *command]
        streams: dict[str, int] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = machine.gateway.popen(*words, user=machine.user, **streams)

    def committed(self, at_least: int) -> int:
        """Wait for so many."""
        count = 0
        while count < at_least:
            line = self.process.stdout.readline()
            assert line, f"it ended after {count}"
            count += line.count(b"committed")
        return count

    def rest(self) -> int:
        """What it has told when it is over, since the others were counted."""
        # Not communicate(): with a time limit it reads past what readline() has read ahead.
        told: bytes = self.process.stdout.read()
        self.process.wait()
        return told.count(b"committed")


@pytest.fixture
def box(workshop, smith):
    with leaving_nothing(workshop), running(workshop, smith, "box", "--no-network", "--memory", "768M") as machine:
        yield machine


def kill_machine(machine):
    """Its kernel, as a power cut ends it."""
    os.kill(machine.info()["pid"], signal.SIGKILL)
    until(lambda: machine.state in ("stopped", "failed"), "the machine has ended")
    machine.up()


def mariadb_is_whole(machine, told, unheard=None):
    """`unheard`: how many may be committed without having been told; None where what was told may be lost on its way."""
    total, transfers = map(int, machine.sh(f"mariadb -N bank -e '{LEDGER}'", timeout=60).split())
    assert total == 100 * 1000, "half a transaction is there"
    assert told <= transfers
    assert unheard is None or transfers <= told + unheard
    assert machine.sh("mariadb-check --all-databases --extended --silent", timeout=120) == ""
    return transfers


def test_mariadb_under_load_killed_and_killed_again(box):
    box.sh("service mariadb start", timeout=90)
    box.sh(f'mariadb -e "{TABLE}"', timeout=60)

    load = Load(box, "sh", "-c", MARIADB_CLIENT)
    told = load.committed(200)
    box.sh("pkill -KILL mariadbd; pkill -KILL mysqld_safe || true")
    told += load.rest()
    box.sh("service mariadb stop; service mariadb start", timeout=90)
    transfers = mariadb_is_whole(box, told, unheard=4)  # one a client

    load = Load(box, "sh", "-c", MARIADB_CLIENT)
    told = load.committed(200)
    kill_machine(box)
    told += load.rest()
    box.sh("service mariadb start", timeout=90)
    mariadb_is_whole(box, transfers + told)
    checksum = box.sh("mariadb -N -e 'CHECKSUM TABLE bank.transfer EXTENDED'")
    box.sh("service mariadb restart", timeout=90)
    assert box.sh("mariadb -N -e 'CHECKSUM TABLE bank.transfer EXTENDED'") == checksum


def test_mariadb_under_load_goes_on_in_a_copy_and_is_whole_in_both(box, workshop, smith):
    box.sh("service mariadb start", timeout=90)
    box.sh(f'mariadb -e "{TABLE}"', timeout=60)
    box.sh(f"cat > /root/load <<'END'\n{MARIADB_CLIENT}\nEND\nsetsid sh /root/load > /root/told 2>&1 < /dev/null &")

    def committed(machine: Machine) -> int:
        return int(machine.sh("grep -c committed /root/told || true"))

    until(lambda: committed(box) > 100, "the clients work")
    twin = Machine(workshop, "twin", smith)
    try:
        box.gaol("clone", "twin", "--running", check=True, timeout=120)
        for machine in (box, twin):
            before = committed(machine)
            until(lambda machine=machine, before=before: committed(machine) > before, "server and clients go on")
        for machine in (box, twin):
            machine.sh("pkill -f '[/]root/load' || true; pkill -x mariadb || true; while pgrep -x mariadb; do :; done", timeout=60)
            mariadb_is_whole(machine, committed(machine), unheard=4)
    finally:
        twin.remove()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_sqlite_under_load_killed_and_killed_again(box, journal):
    entries = 0
    for kill in (lambda: box.sh("pkill -KILL -x python3"), lambda: kill_machine(box)):
        load = Load(box, "python3", "-c", SQLITE_CLIENT % journal)
        told = load.committed(200)
        kill()
        told += load.rest()
        whole, count = box.sh("sqlite3 /root/ledger.db 'PRAGMA integrity_check; SELECT COUNT(*) FROM entry'").split()
        assert whole == "ok"
        assert int(count) % 2 == 0, "half a transaction is there"
        assert told <= (int(count) - entries) // 2
        entries = int(count)
