"""Waiting for a machine that starts: until it is ready, until commands can be run inside, or for no longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gaoler.errors import Failed
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine


def wait_ready(machine: Machine, timeout: float | None) -> bool:
    """Until it is ready, or has told what is missing, or has stopped; False when the time (seconds) ran out.

    Raises Failed when the machine ended instead.
    """
    settled = machine.wait(lambda seen: seen.live is None or seen.live.settled, timeout)
    _check_runs(machine)
    return settled


def wait_agent(machine: Machine, timeout: float) -> None:
    """Until commands can be run inside. Raises Failed."""
    name = machine.record.name
    if not machine.wait(lambda seen: seen.live is None or seen.live.agent, timeout):
        raise Failed(f"machine {name} does not answer", f"for {timeout:.0f} s", f"gaol log {name}")
    _check_runs(machine)


def lacking(machine: Machine) -> Callable[[Live], Live]:
    """The deadline has passed: what did not come is missing. To be noted of a machine."""

    def lacks(known: Live) -> Live:
        if known.settled:
            return known
        missing = [] if known.address or not machine.record.network else ["address"]
        if not known.sshd:
            missing.append("sshd")
        return replace(known, missing=tuple(missing or ["init"]))

    return lacks


def _check_runs(machine: Machine) -> None:
    if machine.live is None:
        name = machine.record.name
        raise Failed(f"machine {name} ended instead of getting ready", machine.observed.reason or "", f"gaol log {name}")
