"""Machines and bases: which generations machines came from, and a machine's files as the start of a base."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gaoler.bases.disown import disown, kept_path
from gaoler.errors import NotFound
from gaoler.host import btrfs
from gaoler.machines.jailing import Jailer
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.sessions import Sessions
from gaoler.progress import Progress, Report


class Origins:
    """What bases ask of the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer, sessions: Sessions) -> None:
        self._registry = registry
        self._jailer = jailer
        self._sessions = sessions

    def generations(self, base: str) -> set[str]:
        """The generations of a base that machines came from."""
        records = [machine.record for machine in self._registry.all()]
        return {record.generation for record in records if record.base == base and record.generation}

    def files(self, owner: int, name: str, mark: str = "", keep: Sequence[str] = ()) -> Callable[[Path, Report], None]:
        """Makes a subvolume of a machine's files as they are when it is called, without what is its owner's but paths to `keep`.

        Raises NotFound at once where there is no such machine, Usage for a path that can't be kept, and GaolerError then.
        """
        machine = self._registry.get(owner, name)
        if machine is not None and mark not in ("", machine.record.owner.mark):
            machine = None  # of somebody who has got that login since
        if machine is None:
            raise NotFound(f'no machine "{name[:40]}" to make a base from', "its owner has none of that name", "gaol ls --all")
        for path in keep:
            kept_path(path, machine.record.owner.home)

        def take(target: Path, report: Report) -> None:
            gaol = self._jailer.gaol(machine.record)
            if machine.live:
                report(Progress(f"asking {machine.record.name} to write out its files"))
                self._sessions.write_out(machine)
            with machine.locked():
                self._registry.check_there(machine)
                btrfs.snapshot(gaol, target)
            owner = machine.record.owner
            disown(target, owner.name, owner.home, self.base_of(machine.record), keep)

        return take

    def base_of(self, of: Record) -> Path | None:
        """What a machine began with, where that is still there."""
        paths = self._jailer.paths
        tree = paths.generations / of.base / of.generation if of.generation else paths.store / of.base
        return tree if tree.is_dir() else None
