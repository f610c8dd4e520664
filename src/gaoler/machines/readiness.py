"""Waiting for a machine that starts: until it is ready, until commands can be run inside, or for no longer."""

from __future__ import annotations

from dataclasses import replace

from gaoler.errors import Failed
from gaoler.machines.lifecycle import Machines
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine


def wait_ready(machine: Machine, timeout: float | None) -> bool:
    """Until it is ready, or has told what is missing, or has stopped; False when the time (seconds) ran out.

    Raises Failed when the machine ended instead.
    """
    settled = machine.wait(lambda: machine.live is None or machine.live.settled, timeout)
    _check_runs(machine)
    return settled


def wait_agent(machine: Machine, timeout: float) -> None:
    """Until commands can be run inside. Raises Failed."""
    name = machine.record.name
    if not machine.wait(lambda: machine.live is None or machine.live.agent, timeout):
        raise Failed(f"machine {name} does not answer", f"for {timeout:.0f} s", f"gaol log {name}")
    _check_runs(machine)


def comes_with_its_address(machines: Machines, machine: Machine) -> bool:
    """Whether its address comes later than its agent, so that a command must not be run at once."""
    network = machines.configuration.network
    return machine.record.network and machine.record.address is None and network.mode != "none"


def give_up(machines: Machines, machine: Machine) -> None:
    """The deadline has passed: what did not come is missing."""

    def lacking(known: Live) -> Live:
        if known.settled:
            return known
        lacks = [] if known.address or not machine.record.network else ["address"]
        if not known.sshd:
            lacks.append("sshd")
        return replace(known, missing=tuple(lacks or ["init"]))

    machines.observe(machine, lacking)


def _check_runs(machine: Machine) -> None:
    if machine.live is None:
        name = machine.record.name
        raise Failed(f"machine {name} ended instead of getting ready", machine.reason or "", f"gaol log {name}")
