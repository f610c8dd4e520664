"""Machines and bases: which generations machines came from, and a machine's files as the start of a base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaoler.bases.disown import disown
from gaoler.errors import NotFound
from gaoler.host import btrfs
from gaoler.machines import sessions
from gaoler.machines.lifecycle import Machines
from gaoler.progress import Progress, Report


def generations(machines: Machines, base: str) -> set[str]:
    """The generations of a base that machines came from."""
    records = [machine.record for machine in machines.all()]
    return {record.generation for record in records if record.base == base and record.generation}


def files(machines: Machines, owner: int, name: str) -> Callable[[Path, Report], None]:
    """Makes a subvolume of a machine's files as they are when it is called, without what is its owner's.

    Raises NotFound at once where there is no such machine, and GaolerError then.
    """
    machine = machines.get(owner, name)
    if machine is None:
        raise NotFound(f'no machine "{name[:40]}" to make a base from', "its owner has none of that name", "gaol ls --all")

    def take(target: Path, report: Report) -> None:
        gaol = machines.jailer.gaol(machine.record)
        if machine.live:
            report(Progress(f"asking {machine.record.name} to write out its files"))
            sessions.write_out(machines, machine)
        with machine.lock:
            machines.check_there(machine)
            btrfs.snapshot(gaol, target)
        disown(target, machine.record.owner.name)

    return take
