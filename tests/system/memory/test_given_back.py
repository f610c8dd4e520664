"""What is free inside is free outside, within seconds; an idle machine keeps little, and how large it may grow costs nothing."""

from __future__ import annotations

import json
import time

import pytest

from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

MB = 1 << 20
PROMISED = 30.0
"""Seconds until memory that was taken and freed is back on the host."""


def held(gateway, name) -> int:
    """Bytes, as `gaol top` tells."""
    usages = json.loads(gateway.gaol("top", "--all", "--json", check=True).stdout)
    return next(usage["memory"] for usage in usages if usage["name"] == name)


def settled(gateway, name) -> int:
    """What it holds once that no longer changes by a megabyte in a second."""
    seen: list[tuple[float, int]] = []

    def still() -> bool:
        now = time.monotonic()
        seen.append((now, held(gateway, name)))
        recent = [value for moment, value in seen if moment >= now - 1]
        return len(recent) < len(seen) and max(recent) - min(recent) < MB

    until(still, "what the machine holds comes to rest")
    return seen[-1][1]


@pytest.mark.parametrize("mode", ["seccomp", "ptrace"])
def test_taken_and_freed_is_back_on_the_host(gateway, alice, mode):
    with running(gateway, alice, "taker", "--no-network", "--memory", "512M", "--mode", mode) as machine:
        idle = settled(gateway, "taker")
        machine.sh("head -c 300M /dev/zero | tail | wc -c; rm -rf /tmp/none")
        until(lambda: held(gateway, "taker") < 1.1 * idle + 2 * MB, "it has given back what it took", PROMISED)


def test_cache_that_nobody_uses_is_given_back(gateway, alice):
    """The machine has done nothing for a while: its page cache is the host's again."""
    with running(gateway, alice, "reader", "--no-network", "--memory", "512M") as machine:
        machine.sh("head -c 200M /dev/zero > /big; cat /big > /dev/null")
        full = held(gateway, "reader")
        assert full > 180 * MB
        until(lambda: held(gateway, "reader") < full / 3, "it has been asked, and gave", 90.0)
        assert machine.sh("wc -c < /big") == str(200 * MB)


def test_what_a_machine_may_have_costs_nothing_until_it_is_used(gateway, alice):
    found = {}
    for memory in ("256M", "2G"):
        with running(gateway, alice, "sized", "--no-network", "--memory", memory) as machine:
            found[memory] = settled(gateway, "sized")
            total, free = (int(word) for word in machine.sh("awk '/MemTotal|MemFree/ { print $2 }' /proc/meminfo").split())
            assert free > 0.8 * total, "what has no page structure yet is free all the same"
            assert int(machine.sh("cat /proc/sys/fs/file-max")) > 0.07 * total, "1 KiB a file of a tenth of what is free at boot"
    assert found["2G"] < 1.15 * found["256M"] + 2 * MB


def test_all_of_a_large_memory_can_be_used(gateway, alice):
    with running(gateway, alice, "large", "--no-network", "--memory", "1G") as machine:
        assert machine.sh("head -c 800M /dev/zero | tail | wc -c") == str(800 * MB)
        assert machine.info()["state"] == "ready"


def test_inside_and_outside_say_the_same(gateway, alice):
    """`free` inside and `gaol top` agree within five per cent of the machine's memory."""
    with running(gateway, alice, "teller", "--no-network", "--memory", "512M") as machine:
        machine.sh("head -c 150M /dev/urandom > /dev/shm/kept; for i in $(seq 60); do sleep 1000 & done; sleep 0.1")
        outside = settled(gateway, "teller")
        total, free = (int(word) << 10 for word in machine.sh("awk '/MemTotal|MemFree/ { print $2 }' /proc/meminfo").split())
        assert abs(outside - (total - free)) < 0.05 * 512 * MB


def test_info_tells_what_a_machine_may_take(gateway, alice):
    with running(gateway, alice, "told", "--no-network", "--memory", "512M") as machine:
        info = machine.info()
        assert info["memory"] == 512 * MB < info["host_memory"] < 1.2 * 512 * MB
        group = gateway.json("top", "--all")
        assert next(one["memory"] for one in group if one["name"] == "told") < info["host_memory"]
