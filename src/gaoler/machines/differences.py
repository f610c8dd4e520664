"""What has changed in a machine: against the base that it began with, or a snapshot.

Both trees are strangers' work. So they are compared by a program that is confined (host/confine) and sees nothing but the
two, read-only; what it says is a stranger's word as well. A machine may run meanwhile: it is compared as it is at the start.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gaoler.errors import Failed, LimitReached, NotFound
from gaoler.host import btrfs
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.machines import comparing
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.origins import Origins
from gaoler.machines.registry import Registry
from gaoler.machines.snapshots import Snapshots
from gaoler.progress import Progress, Report

LONGEST = 300.0
"""Seconds that a comparison may take. Thirty thousand names take 0.7 s of a processor (bench/README.md)."""
AT_ONCE = 2
"""Comparisons of all users together. Each takes a processor."""


@dataclass(frozen=True)
class Difference:
    """`how` is what of something that is there in both is not the same: content, target, device, mode, owner."""

    path: str
    change: str
    kind: str
    size: int | None
    """Bytes of a regular file as it is now."""
    was: int | None
    """And as it was."""
    how: tuple[str, ...]
    exact: bool
    """Whether the path is the name as it is, without escapes."""


@dataclass
class Found:
    """What differs, `left_out` being what is there beyond that."""

    against: str
    differences: list[Difference] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)
    left_out: int = 0
    is_cut: bool = False
    """Whether there would be more patches."""


class Differences:
    """Of the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer, snapshots: Snapshots, origins: Origins) -> None:
        self._registry = registry
        self._jailer = jailer
        self._snapshots = snapshots
        self._origins = origins
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def of(self, machine: Machine, tag: str | None, report: Report, *, patches: bool) -> Found:
        """What is another than at a snapshot, or without `tag` than in its base. Raises NotFound, LimitReached, Failed."""
        name = machine.record.name
        with self._turn(machine.record.owner.uid), self._as_they_are(machine, tag) as (old, new, against):
            report(Progress(f"comparing {name} with {against}"))
            return compare(old, new, against, report, patches=patches, ours=False)

    @contextmanager
    def _turn(self, uid: int) -> Iterator[None]:
        """One of a user's at a time, and not many of all."""
        with self._lock:
            if uid in self._busy:
                raise LimitReached(
                    "a comparison is under way", "one of a user's is made at a time", "sleep 10", limit="comparisons"
                )
            self._busy.add(uid)
        try:
            with self._room:
                yield
        finally:
            with self._lock:
                self._busy.discard(uid)

    @contextmanager
    def _as_they_are(self, machine: Machine, tag: str | None) -> Iterator[tuple[Path, Path, str]]:
        """Both trees, kept from change and removal meanwhile: a snapshot of each, which is gone afterwards."""
        made: list[Path] = []
        try:
            with machine.locked():
                self._registry.check_there(machine)
                old, against = self._old(machine, tag)
                for tree in (old, self._jailer.gaol(machine.record)):
                    copy = self._jailer.paths.staging / secrets.token_hex(6)
                    btrfs.snapshot(tree, copy, readonly=True)
                    made.append(copy)
            reach("diff.taken")
            yield made[0], made[1], against
        finally:
            for copy in made:
                btrfs.delete(copy)

    def _old(self, machine: Machine, tag: str | None) -> tuple[Path, str]:
        of = machine.record
        if tag is not None:
            return self._snapshots.found(machine, tag), tag
        base = self._origins.base_of(of)
        if base is None:
            hint = f"gaol snapshot {of.name} --list"
            raise NotFound(f"the base that {of.name} began with is gone", "compare it with a snapshot", hint)
        return base, f"{of.base} {of.generation}" if of.generation else of.base


def compare(old: Path, new: Path, against: str, report: Report, *, patches: bool = False, ours: bool = True) -> Found:
    """What differs between two trees that nobody changes meanwhile; of what gaoler puts there nothing if not `ours`.

    Raises Failed.
    """
    found, is_whole = Found(against), False
    until = time.monotonic() + LONGEST
    step = Progress(f"comparing with {against}")

    def on_line(line: str) -> None:
        nonlocal is_whole
        try:
            said = json.loads(line)
            if "end" in said:
                found.left_out, found.is_cut, is_whole = int(said["left_out"]), bool(said["cut"]), True
            elif "patch" in said:
                found.patches.append(str(said["patch"]))
            else:
                found.differences.append(Difference(**{**said, "how": tuple(said["how"])}))
        except (ValueError, TypeError, KeyError):
            pass  # a complaint of the program's; if it ends badly, its last lines are told

    def pulse() -> None:
        report(step)
        if time.monotonic() > until:
            raise Failed("the comparison takes too long", f"more than {LONGEST:g} s", "gaol info tells how much there is")

    program = Path(comparing.__file__).read_text()
    wanted = [word for word, is_so in (("patches", patches), ("ours", ours)) if is_so]
    words = [os.path.realpath(sys.executable), "-IS", "-c", program, *wanted]
    binds = (Bind(str(old), "/old"), Bind(str(new), "/new"))
    with tempfile.TemporaryFile() as lock:
        try:
            confinement.run(words, Confinement(binds), on_line, lock=lock.fileno(), pulse=pulse)
        except ProgramFailed as error:
            said = error.tail[-1][:200] if error.tail else ""
            raise Failed("the files can't be compared", f"{error.what.rsplit('/', 1)[-1]}: {said}", "gaol doctor") from None
    if not is_whole:
        raise Failed("the files can't be compared", "the comparison ended early", "gaol doctor")
    return found
