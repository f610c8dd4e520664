"""Milestones come to one thread while another starts to watch the machine: what either has seen stays."""

import threading
from types import SimpleNamespace

from gaoler.host.process import Process
from gaoler.machines import live
from gaoler.machines.lifecycle import Machines
from gaoler.machines.live import Live, told
from gaoler.machines.machine import Machine


def machines_of(directory):
    """With what `observe` needs of them."""
    machines = object.__new__(Machines)
    machines.jailer = SimpleNamespace(runtime=lambda _: SimpleNamespace(live=directory / "live"))
    return machines


def test_two_that_come_at_once_are_both_kept(tmp_path):
    machines, machine = machines_of(tmp_path), Machine(record=None)
    machine.live = Live(Process(10, 20), 1.0, "7.2-abc")
    other = threading.Thread(target=machines.observe, args=(machine, lambda known: told(known, "gaol sshd")))

    def slow(known):
        other.start()
        other.join(0.2)  # it would be through by now if it were not made to wait
        return told(known, "gaol agent")

    machines.observe(machine, slow)
    other.join()
    assert machine.live.agent and machine.live.sshd
    assert live.decode((tmp_path / "live").read_bytes()) == machine.live


def test_of_a_machine_that_has_ended_nothing_is_noted(tmp_path):
    machines, machine = machines_of(tmp_path), Machine(record=None)
    machines.observe(machine, lambda known: told(known, "gaol ready"))
    assert machine.live is None
    assert not (tmp_path / "live").exists()
