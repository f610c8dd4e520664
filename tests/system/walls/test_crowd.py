"""A hundred machines started at once, and stopped at once, while the daemon is killed three times."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from gaoler.host.cgroup.owners import parent
from system.conftest import opened
from system.support import users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.leaks import leaving_nothing
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.slow]

MACHINES = 100
KILLS = (0.1, 0.4, 0.7)
"""The daemon dies when so much of the work is done."""
_FIRST_ID, _IDS = 1 << 31, 1 << 24
"""Host ids beyond those of other gateways, for 127 machines: a machine takes 131072."""
_LONG = 240.0
"""Seconds; with a processor of its own, a hundred take a tenth of that."""


@pytest.fixture(scope="module")
def house():
    gateway = Gateway(components(), {"limits": {"machines": MACHINES}, "machines": {"memory": "64M", "deadline": 120}})
    gateway.ids = range(_FIRST_ID + gateway.number * _IDS, _FIRST_ID + (gateway.number + 1) * _IDS)
    gateway.settings["ids"] = {"first": gateway.ids.start + (1 << 17), "count": len(gateway.ids) - (1 << 17)}
    yield from opened(gateway)


@pytest.fixture(scope="module")
def owners(house):
    """Two, since one may have 64 connections at a time."""
    with users.account(f"{house.prefix}one") as one, users.account(f"{house.prefix}two") as two:
        yield [one, two]


@pytest.mark.timeout(900)
def test_nothing_is_lost_left_or_there_twice(house, owners):
    jobs = [(owners[number % 2], f"crowd{number}") for number in range(MACHINES)]
    with leaving_nothing(house):
        work(house, jobs, "up")
        there = house.json("ls", "--all")
        assert sorted((one["owner"], one["name"]) for one in there) == sorted((user.name, name) for user, name in jobs)
        for key in ("address", "address6", "mac", "pid"):
            assert not [value for value, times in Counter(one[key] for one in there).items() if times > 1], key
        assert len(groups(house)) == MACHINES
        work(house, jobs, "down")
        assert {one["pid"] for one in house.json("ls", "--all")} == {None}
        assert not groups(house)
        house.remove_machines()


def work(house: Gateway, jobs, verb: str) -> None:
    """Every command is repeated until it succeeds; the daemon is killed as they do."""
    done = count(1)
    finished = [0]

    def command(job) -> None:
        user, name = job
        until(lambda: house.gaol(verb, name, user=user, timeout=_LONG).returncode == 0, f"{verb} {name}", timeout=_LONG)
        finished[0] = next(done)

    with ThreadPoolExecutor(MACHINES) as pool:
        working = [pool.submit(command, job) for job in jobs]
        for share in KILLS:
            until(lambda share=share: finished[0] >= share * MACHINES, f"{share:.0%} of {verb} is done", timeout=_LONG)
            house.restart(signal.SIGKILL)
        for one in working:
            one.result()


def groups(house: Gateway) -> list[Path]:
    root = Path("/sys/fs/cgroup")
    own = parent(house.prefix)
    return [group for top in (f"memory/{own}", own) for group in root.glob(f"{top}/{house.prefix}.*/{house.prefix}-*")]
