"""What a daemon finds when it starts: running machines are taken over, half-made ones finished or cleared away.

Crash-only: there is no other way to start, and nothing is removed but what a record, or its place, says is to go.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, jail
from gaoler.machines import live, record, sessions, watching
from gaoler.machines.jailing import bind_notify
from gaoler.machines.lifecycle import Machines
from gaoler.machines.machine import Machine

_TOLD = "/run/startenv/told"
"""Where a machine keeps its milestones (guest/bin/services)."""
_PATIENCE = 10.0
"""Seconds for a machine to repeat them."""
_log = logging.getLogger(__name__)


def recover(machines: Machines) -> None:
    """Make memory, records and the host agree. Raises Failed where the records can't be read: nothing is touched then."""
    try:
        recorded = list(_recorded(machines))
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
        raise Failed("the records of machines can't be read", why, "mend the store; what runs runs on meanwhile") from error
    for machine in recorded:
        machines.adopt(machine)
        try:
            _settle(machines, machine)
        except (GaolerError, OSError) as error:
            _log.error("machine %s: %s", machine.record.id, error)
    _clear_strays(machines)
    machines.jailer.owners.clear()
    _try(machines.bases.spares.clear)
    machines.clone_ahead(machines.configuration.machines.base)


def _recorded(machines: Machines) -> Iterator[Machine]:
    paths = machines.paths
    for path in sorted([*paths.records.glob("*/record.json"), *paths.machines.glob("*/record.json")]):
        try:
            yield Machine(record.decode(path.read_bytes()))
        except (OSError, ValueError) as error:
            _log.error("%s can't be read, and is left alone: %s", path, error)


def _settle(machines: Machines, machine: Machine) -> None:
    of = machine.record
    observed = _running(machines, machine)
    if observed is not None and of.wanted == "running":
        machine.live = observed
        machines.weigh(of)
        watching.attend(machines, machine, bind_notify(machines.jailer.runtime(of)))
        threading.Thread(target=_catch_up, args=(machines, machine), name="catch-up", daemon=True).start()
        _log.info("machine %s runs on", of.id)
    elif of.wanted == "removed" or of.ephemeral:
        machines.remove(machine, force=True)
    else:
        machines.jailer.release(of)
        if of.wanted == "running":
            machine.reason = "it was running when the host, or the daemon while starting it, went down"
            machines.change(machine, wanted="stopped")
        if not machines.jailer.gaol(of).is_dir():
            # The daemon was killed between the record and the clone: there never was a machine.
            machines.remove(machine, force=True)


def _catch_up(machines: Machines, machine: Machine) -> None:
    """Hear what the machine told while no daemon was there to listen."""
    try:
        kept = sessions.output_of(machines, machine, ("cat", _TOLD), limit=4096, timeout=_PATIENCE)
    except GaolerError as error:
        _log.info("machine %s does not answer yet: %s", machine.record.id, error)
        return
    for line in (b"gaol agent\n" + kept).decode(errors="replace").splitlines():
        if machine.live:
            machines.observe(machine, partial(live.told, text=line))


def _running(machines: Machines, machine: Machine) -> live.Live | None:
    try:
        observed = live.decode(machines.jailer.runtime(machine.record).live.read_bytes())
    except (OSError, ValueError):
        return None
    return observed if observed.process.alive() else None


def _clear_strays(machines: Machines) -> None:
    """What bears the name of a machine that has no record: jails and runtime directories, throw-away gaols, staging."""
    known = {machine.record.id for machine in machines.all()}
    # Whose record is there but can't be read is left alone, running or not.
    known |= {path.parent.name for path in machines.paths.records.glob("*/record.json")}
    prefix = f"{machines.jailer.prefix}-"
    for name in jail.listed(prefix, runtime=machines.paths.jails):
        if name.removeprefix(prefix) not in known:
            _try(partial(jail.remove, name, runtime=machines.paths.jails, cgroup_path=machines.jailer.owners.find(name)))
    for path in machines.paths.machines.iterdir():
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
    for path in machines.paths.records.iterdir():
        # Killed before the record was written, or after it was removed: the first and the last trace of a machine.
        if not (path / "record.json").exists():
            shutil.rmtree(path, ignore_errors=True)
    for directory in (machines.paths.ephemeral, machines.paths.staging):
        for path in directory.iterdir():
            if path.name not in known:
                _try(partial(_delete, path))


def _delete(path: Path) -> None:
    if btrfs.is_subvolume(path):
        btrfs.delete(path)
    else:
        shutil.rmtree(path)


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except (GaolerError, OSError) as error:
        _log.error("%s", error)
