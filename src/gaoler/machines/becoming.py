"""Machines that go on from another one's image, and become themselves before their owner has them: clones, and by templates."""

from __future__ import annotations

from gaoler.machines.failpoints import reach
from gaoler.machines.machine import Machine
from gaoler.machines.resuming import Resumed
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions

TOLD = {"agent": True, "given": False}
"""What is known at once of a machine that goes on from an image which is not its own."""


def as_another(running: Running, sessions: Sessions, machine: Machine, image: Resumed) -> None:
    """Start a machine from another one's image, have it become itself, and give it to its owner. Raises GaolerError.

    The caller holds its lock, and removes it where that fails. A daemon that is killed before the end leaves a machine
    that is stopped.
    """
    running.start(machine, image)
    reach("another.started")
    sessions.become(machine)
    reach("another.named")
    running.give(machine)
