"""Copies, sleep, restores and deaths in any order, while a program in each machine looks at its own memory.

A short walk in each test run; `make copies` takes a long one, and makes as many copies and restores in a row.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import pytest

from system.machines.test_clones import first_fixture  # noqa: F401 - a fixture
from system.machines.test_copies import turns
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

STEPS = int(os.environ.get("GAOLER_TEST_WALK", "0"))
"""Of a long walk; 0 for a short one."""
SEED = os.environ.get("GAOLER_TEST_SEED", "17")


class Walk:
    """What a gateway has of one machine: itself and its copies, asleep or not."""

    def __init__(self, gateway: Gateway, owner: User, first: Machine) -> None:
        self.gateway, self.owner, self.chance = gateway, owner, random.Random(SEED)
        self.machines = {first.name: first}
        self.pid, _ = turns(first, 0)
        self.made = 0

    def any(self) -> Machine:
        return self.machines[self.chance.choice(sorted(self.machines))]

    def look(self) -> None:
        """The same program goes on in each, and has found nothing wrong."""
        for machine in self.machines.values():
            _, before = turns(machine, 0)
            assert turns(machine, before)[0] == self.pid, f"{machine.name}: another program"
            assert machine.sh("hostname") == machine.name

    # steps

    def copy(self) -> None:
        if len(self.machines) > 2:
            self.remove()
        self.made += 1
        new = Machine(self.gateway, f"copy{self.made}", self.owner)
        self.any().gaol("clone", new.name, "--running", check=True)
        self.machines[new.name] = new

    def sleep(self) -> None:
        machine = self.any()
        machine.gaol("sleep", check=True)
        assert machine.state == "asleep"

    def restore(self) -> None:
        machine = self.any()
        machine.up()
        machine.gaol("snapshot", "here", "--memory", check=True)
        machine.gaol("down", "--force", check=True)
        machine.gaol("restore", "here", check=True)
        machine.gaol("snapshot", "here", "--delete", check=True)

    def remove(self) -> None:
        name = self.chance.choice([name for name in sorted(self.machines) if name != "first"] or [""])
        if name:
            self.machines.pop(name).remove()

    def kill_a_copy(self) -> None:
        name = next((name for name in sorted(self.machines) if name != "first"), None)
        if name:
            machine = self.machines.pop(name)
            machine.up()
            os.kill(machine.info()["pid"], signal.SIGKILL)
            until(lambda: machine.state == "failed", "its death is noticed")
            machine.remove()

    def kill_the_daemon(self) -> None:
        self.gateway.restart(signal.SIGKILL)

    def kill_the_daemon_while_some_sleep(self) -> None:
        self.sleep()
        self.gateway.restart(signal.SIGKILL)

    def freeze_and_sleep(self) -> None:
        machine = self.any()
        machine.up()
        machine.gaol("freeze", check=True)
        machine.gaol("sleep", check=True)


def test_a_walk(gateway, alice, first):
    walk = Walk(gateway, alice, first)
    steps: list[Callable[[], None]] = [
        walk.copy, walk.sleep, walk.restore, walk.kill_a_copy, walk.kill_the_daemon, walk.freeze_and_sleep,
        walk.kill_the_daemon_while_some_sleep, walk.remove,
    ]  # fmt: skip
    todo = [walk.chance.choice(steps) for _ in range(STEPS)] or walk.chance.sample(steps, 5)
    try:
        for step in [walk.copy, *todo]:
            step()
            walk.look()
    finally:
        for name in set(walk.machines) - {"first"}:
            walk.machines[name].remove()


def test_copies_and_restores_in_a_row(gateway, alice, first):
    walk = Walk(gateway, alice, first)
    first.gaol("snapshot", "there", "--memory", check=True)
    for _ in range(STEPS or 2):
        walk.copy()
        (copied,) = (machine for name, machine in walk.machines.items() if name != "first")
        walk.look()
        copied.remove()
        del walk.machines[copied.name]
    for _ in range(STEPS or 1):
        first.gaol("down", "--force", check=True)
        first.gaol("restore", "there", check=True)
        walk.look()
