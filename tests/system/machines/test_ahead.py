"""After a `run` or an `up` the same owner's next throw-away machine waits, started. It is nobody's but theirs, and in no one's way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(autouse=True)
def ahead(gateway: Gateway) -> Iterator[None]:
    """The daemon makes machines ahead, which those of other tests don't."""
    gateway.restart(machines={"ahead": "5m"})
    yield
    gateway.restart()  # which ends those that wait


def spares(gateway: Gateway, *, given: bool = False) -> list[dict[str, Any]]:
    """Records of machines made ahead that run, with their process: those that wait, or those that somebody has."""
    found = []
    for directory in (gateway.runtime / "machines").iterdir():
        with suppress(FileNotFoundError):
            record, live = (json.loads((directory / name).read_text()) for name in ("record.json", "live.json"))
            if record["spare"] and live["agent"] and live["given"] == given:
                found.append({**record, "pid": live["process"]["pid"]})
    return found


def waits(gateway: Gateway, besides: str = "") -> dict[str, Any]:
    """The machine that waits, once there is one; another one than `besides`."""
    until(lambda: [one["name"] for one in spares(gateway) if one["name"] != besides], "a machine waits")
    (found,) = spares(gateway)
    return found


def alone(gateway: Gateway) -> None:
    until(lambda: len(list((gateway.runtime / "machines").iterdir())) == 1, "the one that waits is all there is")


def has_ended(machine: dict[str, Any]) -> bool:
    """Or is dead, and init's to take off the list."""
    try:
        return Path(f"/proc/{machine['pid']}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes between opening and reading
        return True


def hostname(gateway: Gateway, user: User, *options: str, **more: Any) -> str:
    done = gateway.gaol("run", "--no-network", *options, "--", "hostname", user=user, **more)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


@pytest.fixture
def spare(gateway, alice) -> dict[str, Any]:
    """One of alice's, after a `run --no-network`."""
    hostname(gateway, alice)
    return waits(gateway)


def test_the_next_run_gets_it_and_the_one_after_another(gateway, alice, spare):
    assert gateway.json("ls", user=alice) == [], "it is no machine of hers yet"
    (row,) = gateway.json("top", user=alice)
    assert (row["name"], row["owner"]) == ("(ahead)", alice.name) and row["memory"] > 0
    script = "hostname; id -un; cut -d' ' -f1 /proc/uptime; ls -d ~alice 2>&1; exit 7".replace("~alice", str(alice.home))
    done = gateway.gaol("run", "--no-network", "--", "sh", "-c", script, user=alice)
    name, who, uptime, home = done.stdout.split()
    assert (name, who, home, done.returncode) == (spare["name"], "root", str(alice.home), 7)
    assert float(uptime) > 0
    assert waits(gateway, besides=name)["name"] != name
    assert not spares(gateway, given=True)


def test_after_up_one_of_the_usual_kind_waits(gateway, alice):
    with running(gateway, alice, "web", "--no-network"):
        until(lambda: [one for one in spares(gateway) if one["network"]], "a machine with a network waits, in the place of any other")
        found = waits(gateway)
        assert gateway.gaol("run", "--", "hostname", user=alice).stdout.strip() == found["name"]


def test_while_somebody_has_it_it_is_a_machine_like_others(gateway, alice, spare):
    with gateway.popen("run", "--no-network", "--", "cat", user=alice, stdin=-1, stdout=-1) as session:
        session.stdin.write(b"there\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"there\n"
        (machine,) = gateway.json("ls", user=alice)
        assert (machine["name"], machine["pid"]) == (spare["name"], spare["pid"])
        session.stdin.close()
        assert session.wait(PATIENCE) == 0


def test_it_is_not_for_others_nor_for_other_wishes(gateway, alice, bob, spare):
    assert hostname(gateway, bob) != spare["name"]
    assert spare["name"] in [one["name"] for one in spares(gateway)], "alice's waits on"
    assert hostname(gateway, alice, "--memory", "300M") != spare["name"]
    assert hostname(gateway, alice) != spare["name"], "the last wish is what the next machine is made for"


@pytest.mark.parametrize("many", [2, 5])
def test_runs_at_once_get_a_machine_each(gateway, alice, spare, many):
    alone(gateway)  # those that are still on their way out count, and the spare would make way for the fifth
    with ThreadPoolExecutor(many) as pool:
        names = list(pool.map(lambda _: hostname(gateway, alice), range(many)))
    assert len(set(names)) == many
    assert names.count(spare["name"]) == 1
    waits(gateway, besides=spare["name"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_one_that_dies_before_it_is_claimed_is_not_missed(gateway, alice, spare, number):
    os.kill(spare["pid"], number)
    assert hostname(gateway, alice) != spare["name"]


def test_one_whose_death_nobody_has_noticed_yet_is_not_missed(gateway, alice, spare):
    """Its kernel dies while the daemon stands still, with the next request already there."""
    os.kill(gateway.process.pid, signal.SIGSTOP)
    try:
        with gateway.popen("run", "--no-network", "--", "hostname", user=alice, stdout=-1, stderr=-1) as asking:
            os.kill(spare["pid"], signal.SIGKILL)
            os.kill(gateway.process.pid, signal.SIGCONT)
            out, err = asking.communicate(timeout=PATIENCE)
    finally:
        os.kill(gateway.process.pid, signal.SIGCONT)
    assert asking.returncode == 0, err
    assert out.decode().strip() != spare["name"]


def test_it_makes_way_where_a_limit_is_reached(gateway, alice):
    gateway.restart(machines={"ahead": "5m"}, limits={"machines": 2})
    with running(gateway, alice, "one", "--no-network"):
        waits(gateway)
        with running(gateway, alice, "two", "--no-network"):
            assert spares(gateway) == [], "which the limit would not allow"
            assert gateway.gaol("run", "--", "true", user=alice).returncode == 5
        hostname(gateway, alice)


def test_none_is_made_where_the_limit_is_reached_already(gateway, alice):
    gateway.restart(machines={"ahead": "5m"}, limits={"machines": 1})
    with running(gateway, alice, "one", "--no-network") as one:
        assert one.state == "ready"
        assert spares(gateway) == []


def test_it_goes_when_its_time_is_over(gateway, alice):
    gateway.restart(machines={"ahead": "1s"})
    hostname(gateway, alice)
    until(lambda: not spares(gateway), "it has gone")


def test_one_of_a_base_that_has_changed_is_not_used(gateway, alice):
    gaol = lambda *words: gateway.gaol(*words, check=True)
    with running(gateway, gateway.root, "master", "--no-network") as master:
        gaol("publish", "master", "changing")
        try:
            gateway.gaol("run", "--no-network", "--base", "changing", "--", "true", user=alice, check=True)
            until(lambda: [one for one in spares(gateway) if one["base"] == "changing"], "a machine waits")
            old = next(one["name"] for one in spares(gateway) if one["base"] == "changing")
            master.sh("echo new > /etc/what")
            gaol("publish", "master", "changing")
            done = gateway.gaol(
                "run", "--no-network", "--base", "changing", "--", "sh", "-c", "hostname; cat /etc/what", user=alice
            )
            assert done.stdout.split()[1:] == ["new"] and old not in done.stdout, done
        finally:
            gaol("base", "rm", "changing")
            hostname(gateway, alice)  # for whom nothing of that base waits any more


def test_a_kernel_that_only_waiting_machines_run_can_be_removed(gateway, alice):
    (there,) = (gateway.store / "kernels").iterdir()
    old = there.with_name("0.1-" + "0" * 16)
    old.mkdir()
    os.link(there / "linux", old / "linux")
    try:
        hostname(gateway, alice, "--kernel", old.name)
        assert waits(gateway)["kernel"] == old.name
        gateway.gaol("kernel", "rm", old.name, check=True)
        assert spares(gateway) == []
    finally:
        for path in (old / "linux", old):
            with suppress(FileNotFoundError):
                path.unlink() if path.is_file() else path.rmdir()


def test_a_daemon_that_is_killed_leaves_it_to_the_next_which_ends_it(gateway, alice, spare):
    gateway.kill()
    gateway.start()
    assert spares(gateway) == []
    until(lambda: has_ended(spare), "its kernel has ended")
    assert hostname(gateway, alice) != spare["name"]


def test_a_daemon_that_is_told_to_end_takes_them_along(gateway, alice, spare):
    gateway.kill(signal.SIGTERM)
    try:
        assert spares(gateway) == []
        until(lambda: has_ended(spare), "its kernel has ended")
    finally:
        gateway.start()


@pytest.mark.parametrize(
    ("moment", "prepare"),
    [("ahead.created", False), ("ahead.started", False), ("ahead.taken", True), ("run.given", False)],
)
def test_the_daemon_dies_in_between(gateway, alice, monkeypatch, moment, prepare):
    """Nothing is left that nobody has; whoever asks again is served."""
    monkeypatch.setenv("GAOLER_FAILPOINT", moment)
    gateway.restart(machines={"ahead": "5m"})
    monkeypatch.delenv("GAOLER_FAILPOINT")
    asked = lambda: gateway.gaol("run", "--no-network", "--", "hostname", user=alice)
    first = asked()
    if prepare:
        waits(gateway)
        first = asked()
    assert gateway.process.wait(PATIENCE) == -9, f"nothing passed {moment}: {first}"
    gateway.process = None
    gateway.start()
    assert hostname(gateway, alice)
    waits(gateway)
    alone(gateway)
