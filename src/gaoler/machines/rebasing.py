"""A machine moved over to the newest generation of its base: what was changed in it is put onto a clone of that.

It is refused where the base has changed the same file. Killed at any moment, we leave the machine as it was, or moved over
with the former generation in its record: the next rebase finds nothing left to do but that.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from pathlib import Path

from gaoler import files
from gaoler.bases.generations import Bases
from gaoler.bases.rsync import XATTRS
from gaoler.errors import Failed, NotFound
from gaoler.host import btrfs
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.machines.differences import Difference, compare
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.origins import Origins
from gaoler.machines.registry import Registry
from gaoler.machines.snapshots import Snapshots
from gaoler.progress import Progress, Report

PASSING = ("/var/log/", "/var/cache/", "/var/lib/apt/lists/", "/var/tmp/", "/tmp/", "/run/")  # noqa: S108 - in a machine
"""What programs write by themselves: of that the machine's is kept, and no word is said."""
_SHOWN = 12
"""Files that are named when it is refused."""
_RSYNC = ("rsync", "--archive", "--hard-links", "--acls", "--xattrs", "--sparse", "--numeric-ids", "--no-devices",
          *XATTRS, "--no-implied-dirs", "--from0", "--files-from=-", "/mine/", "/tree/")  # fmt: skip


class Rebasing:
    """Of the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer, bases: Bases, snapshots: Snapshots, origins: Origins) -> None:
        self._registry = registry
        self._jailer = jailer
        self._bases = bases
        self._snapshots = snapshots
        self._origins = origins

    def rebase(self, machine: Machine, report: Report) -> str:
        """Move a stopped machine over; returns the tag of a snapshot of what it was. Raises NotFound, LimitReached, Failed."""
        with machine.locked(), ExitStack() as undo:
            old, new, generation = self._ways(machine)
            of, gaol = machine.record, self._jailer.gaol(machine.record)
            mine = compare(old, gaol, f"{of.base} {of.generation}", report)
            theirs = compare(old, new, f"{of.base} {of.generation}", report)
            apart = compare(new, gaol, f"{of.base} {generation}", report)
            if mine.left_out or theirs.left_out or apart.left_out:
                raise Failed(
                    f"{of.name} can't be moved over", "more files have changed than can be compared", f"gaol diff {of.name}"
                )
            both = conflicts(mine.differences, theirs.differences, apart.differences)
            if both:
                more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
                why = f"{', '.join(both[:_SHOWN])}{more} have changed in it and in {of.base}"
                raise Failed(f"{of.name} can't be moved over to generation {generation}", why, f"gaol diff {of.name} --patch")
            tag = self._keep(machine)
            fresh = self._jailer.paths.staging / secrets.token_hex(6)
            btrfs.snapshot(new, fresh)
            undo.callback(btrfs.delete, fresh)
            reach("rebase.cloned")
            report(Progress(f"putting {len(mine.differences)} changes onto generation {generation}"))
            _put(gaol, fresh, mine.differences)
            reach("rebase.put")
            self._snapshots.put_back(machine, fresh)
            reach("rebase.exchanged")
            self._registry.change(machine, generation=generation)
        return tag

    def _ways(self, machine: Machine) -> tuple[Path, Path, str]:
        """The tree that it began with, the one that it is to begin with, and that one's number. Raises NotFound, Failed."""
        self._registry.check_there(machine)
        of = machine.record
        if machine.live or machine.observed.asleep:
            raise Failed(f"{of.name} is not stopped", "its files are in use", f"gaol down {of.name}")
        self._registry.check_idle(machine)
        base = self._bases.find(of.base)
        old = self._origins.base_of(of)
        if old is None or not (of.generation and base.generation):
            raise NotFound(
                f"the generation that {of.name} began with is gone", "nothing tells its changes", f"gaol info {of.name}"
            )
        if base.generation == of.generation:
            raise Failed(
                f"{of.name} is up to date", f"{of.base} has no other generation than {of.generation}", f"gaol info {of.name}"
            )
        return old, self._jailer.paths.generations / of.base / base.generation, base.generation

    def _keep(self, machine: Machine) -> str:
        wanted = f"generation-{machine.record.generation}"
        return self._snapshots.take(machine, None if wanted in self._snapshots.tags(machine) else wanted)


def conflicts(mine: list[Difference], theirs: list[Difference], apart: list[Difference]) -> list[str]:
    """Paths that two sides have changed, and not into the same; and those of mine below what theirs has taken away."""
    different = {one.path for one in apart}
    changed = {one.path: one for one in theirs}
    gone = {one.path for one in theirs if one.change == "removed"}
    found = []
    for one in mine:
        if one.path.startswith(PASSING):
            continue
        other = changed.get(one.path)
        made_by_both = (
            other and (one.kind, other.kind) == ("directory", "directory") and "removed" not in (one.change, other.change)
        )
        above = one.change != "removed" and any(parent in gone for parent in _above(one.path))
        if not one.exact or above or (other and one.path in different and not made_by_both):
            found.append(one.path)
    return sorted(set(found))


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _put(mine: Path, tree: Path, differences: list[Difference]) -> None:
    """Make a tree have them, by programs that are confined: both trees are strangers' work. Raises Failed."""
    there = {one.path for one in differences if one.change != "removed"}
    gone = [one.path for one in differences if one.change == "removed" and one.path not in there]
    words = tree.with_name(f"{tree.name}.list")
    binds = (Bind(str(mine), "/mine"), Bind(str(tree), "/tree", writable=True))
    try:
        for argv, paths in (
            (["xargs", "-0", "-r", "rm", "-rf", "--"], [f"/tree{path}" for path in gone]),
            (list(_RSYNC), sorted(there)),
        ):
            files.write(words, b"".join(os.fsencode(path) + b"\0" for path in paths), durable=False)
            confined = Confinement(binds, standard_input=str(words))
            with words.open() as lock:
                confinement.run(argv, confined, lambda _: None, lock=lock.fileno())
    except ProgramFailed as error:
        said = "; ".join(line.strip()[:200] for line in error.tail[-3:])
        raise Failed("the changes can't be put onto the newer generation", f"{error.what}: {said}", "gaol store info") from None
    finally:
        words.unlink(missing_ok=True)
