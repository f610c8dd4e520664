"""Of a busy processor an owner has his share, however many machines another one keeps busy."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from gaoler.host import cgroup
from gaoler.host.cgroup import owners
from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

CROWD = 3
"""Machines of the greedy one: without groups of owners the other would have a quarter of the processor."""
ENOUGH = 1.5
"""Seconds of processor time, of both together, in which the kernel shows how it shares."""


@pytest.mark.parametrize(("weight", "least", "most"), [(100, 0.4, 0.6), (300, 0.65, 0.85)])
def test_many_machines_weigh_no_more_than_one(gateway, alice, bob, weight, least, most):
    groups = owners.Groups(gateway.prefix)
    greedy, modest = groups.of(str(alice.uid)), groups.of(str(bob.uid))
    gateway.restart(limits={"user": {bob.name: {"weight": weight}}})
    try:
        with ExitStack() as stack:
            for user, name in [(bob, "modest"), *((alice, f"greedy{number}") for number in range(CROWD))]:
                machine = stack.enter_context(running(gateway, user, name, "--no-network"))
                machine.sh("(while :; do :; done) > /dev/null 2>&1 < /dev/null &")
            for owner in (greedy, modest):
                for name in cgroup.children(owner):
                    cgroup.pin(f"{owner}/{name}", 0)  # all compete for this one
            before = cgroup.used(greedy).cpu_seconds, cgroup.used(modest).cpu_seconds

            def used() -> tuple[float, float]:
                return cgroup.used(greedy).cpu_seconds - before[0], cgroup.used(modest).cpu_seconds - before[1]

            until(lambda: sum(used()) > ENOUGH, "both have had some processor time")
            crowd, one = used()
        assert least < one / (crowd + one) < most
        until(lambda: not there(greedy) and not there(modest), "the owners' groups have gone with their machines")
    finally:
        gateway.restart()


def there(group: str) -> bool:
    return any(Path(directory).is_dir() for directory in cgroup.directories(group))
