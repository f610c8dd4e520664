"""Makes bases and brings them up to date: from a recipe to a published generation, or to a reason and nothing changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gaoler.bases import check as base_check
from gaoler.bases import clean, space
from gaoler.bases.generations import Base, Bases
from gaoler.bases.history import Attempt, Generation, Recipe
from gaoler.bases.sources import arch as base_pacstrap
from gaoler.bases.sources import archive as base_archive
from gaoler.bases.sources import debian as base_debian
from gaoler.bases.sources import image as base_oci
from gaoler.bases.sources import rsync as base_rsync
from gaoler.bases.sources.image import Registries
from gaoler.bases.sources.rsync import Access, Interrupted, Moved
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs
from gaoler.host.btrfs.ioctl import explained
from gaoler.progress import Progress, Report
from gaoler.store.names import base_name

RETRY = 3600.0
"""Seconds until a base whose sync has failed is due again, where its interval is longer."""
_NONE = Attempt(0, "", 0)
_IDS = 65536
_LISTED = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    base: Base
    new: bool


@dataclass(frozen=True)
class _Fetched:
    """What has come of a source."""

    moved: Moved | None = None
    """What has changed against the newest generation, where that is known."""
    digest: str | None = None
    same: bool = False
    """The source is as it was: there is nothing in `incoming` to go on with."""


Used = Callable[[str], set[str]]
"""The generations of a base that machines came from."""
Take = Callable[[str], Callable[[Path, Report], None]]
"""Of OWNER/NAME: what makes a subvolume of that machine's files. Raises NotFound at once where there is no such machine."""
Count = Callable[[str, str], None]
"""A base and its sync's result, for the metrics."""


class BaseSync:
    """Every method may be called from any thread; a base is changed by one at a time."""

    def __init__(self, configuration: Configuration, bases: Bases, *, used: Used, take: Take, count: Count) -> None:
        self.configuration = configuration
        self.bases = bases
        self._used, self._take, self._count = used, take, count
        masters = configuration.masters
        # The ids below those of machines: nobody's, and no machine's.
        first = configuration.ids.first - _IDS
        self.access = Access(masters.identity, masters.known_hosts, masters.password, first)
        registries = configuration.registries
        self.registries = Registries(registries.credentials, registries.certificates, tuple(registries.insecure), first)

    def add(self, name: str, recipe: Recipe, report: Report, *, replace: bool = False) -> Result:
        """Make a base and keep the recipe; one that is there is brought up to date, from elsewhere only with `replace`.

        Raises GaolerError.
        """
        if recipe.kind == "rsync":
            base_rsync.kind_of(recipe.argument)
        if recipe.kind == "oci":
            base_oci.reference(recipe.argument)
        if recipe.kind == "machine":
            self._take(recipe.argument)
        there = self.bases.recipe(base_name(name))
        if there not in (None, recipe) and self.bases.newest(name) and not replace:
            raise Failed(f'there is a base "{name}" already', f"from {there}", f"gaol base sync {name}, or add it with --replace")
        return self._update(name, recipe, report, shrink=True)

    def sync(self, name: str, report: Report, *, shrink: bool = False) -> Result:
        """Bring a base up to date by its recipe. Raises GaolerError; the base is as it was then."""
        recipe = self.bases.recipe(name) if name and "/" not in name else None
        if recipe is None:
            base = self.bases.find(name)
            told = "nothing tells where it came from"
            raise Failed(f'"{base.name}" can\'t be synced', told, f"gaol base add {base.name} again")
        return self._update(name, recipe, report, shrink=shrink)

    def rollback(self, name: str, generation: str | None) -> Base:
        with self.bases.updating(self.bases.find(name).name):
            return self.bases.rollback(name, generation)

    def due(self) -> list[str]:
        """The bases whose interval has passed."""
        found = []
        for base in self.bases.all():
            interval = self.configuration.of_base(base.name).sync
            if not interval or base.held or self.bases.is_updating(base.name) or self.bases.recipe(base.name) is None:
                continue
            wait = min(interval, RETRY) if base.last and base.last.result == "failed" else interval
            if base.last is None or not base.last.time <= time.time() < base.last.time + wait:  # the clock may have been set back
                found.append(base.name)
        return found

    def sync_due(self, report: Report) -> list[str]:
        """Sync what is due; what fails is logged and noted. Returns the names."""
        names = self.due()
        for name in names:
            try:
                self.sync(name, report)
            except GaolerError as error:
                _log.error("base %s: %s", name, one_line(error))
        return names

    def _update(self, name: str, recipe: Recipe, report: Report, *, shrink: bool) -> Result:
        begun = time.time()
        with self.bases.updating(name) as lock:
            try:
                if self.bases.recipe(name) is None:
                    self.bases.save_recipe(name, recipe)  # so that what a kill leaves behind can be gone on with
                new, lacks = self._make(name, recipe, report, lock, shrink=shrink)
                self.bases.save_recipe(name, recipe)
            except OSError as error:  # the disk, most likely: the tree itself was looked at with care
                told = explained(f'can\'t bring "{name}" up to date', error)
                self._give_up(name, told, begun)
                raise told from None
            except Exception as error:
                self._give_up(name, error, begun)
                raise
            now = time.time()
            self._note(name, Attempt(now, "new" if new else "unchanged", now - begun, lacks=lacks, good=now))
            for gone in self.bases.prune(name, self._used(name), self.configuration.of_base(name).keep):
                _log.info("base %s: generation %s is gone", name, gone)
            base = self.bases.find(name)
            if new:
                _log.info("base %s: generation %s, from %s", name, base.generation, recipe)
            return Result(base, new)

    def _give_up(self, name: str, error: Exception, begun: float) -> None:
        """Leave the base as it was; keep what has come only where the next sync can go on with it."""
        self.bases.aside(name)
        if not isinstance(error, Interrupted):
            self.bases.discard(name)
        if self.bases.newest(name) is not None:
            try:
                now, last = time.time(), self.bases.last(name) or _NONE
                failures = last.failures + 1
                why = one_line(error)[:2000]
                self._note(name, Attempt(now, "failed", now - begun, why, last.lacks, last.good, failures))
            except GaolerError as unwritten:
                _log.error("%s", unwritten)

    def _note(self, name: str, attempt: Attempt) -> None:
        self._count(name, attempt.result)
        self.bases.save_attempt(name, attempt)

    def _make(self, name: str, recipe: Recipe, report: Report, lock: int, *, shrink: bool) -> tuple[bool, list[str]]:
        """The next generation, published, and what it lacks; False where nothing has changed. Raises GaolerError."""
        before = self.bases.newest(name)
        resumed = self.bases.has_incoming(name)
        report = space.watch(self.bases.paths.store, report)
        fetched = self._fetch(name, recipe, report, lock)
        moved = fetched.moved
        if before is not None and (fetched.same or (not resumed and moved is not None and not moved.files)):
            self.bases.discard(name)
            last = self.bases.last(name)
            return self.bases.show_newest(name), list(last.lacks) if last else []
        tree = self.bases.incoming(name)
        btrfs.sync(tree)  # until then the space that it takes is not known
        report(Progress("checking"))
        clean.clean(tree)
        faults = base_check.faults(tree)
        counted = base_check.survey(tree)
        if counted.strangers:
            faults.append(f"files of ids above 65535, such as {', '.join(counted.strangers)}")
        if faults:
            raise Failed(
                f'"{name}" is not changed: what {recipe} gives is no base',
                "; ".join([*faults[:_LISTED], *(["and more"] if len(faults) > _LISTED else [])]),
                "mend the source, then gaol base sync",
            )
        self._guard(name, counted, shrink=shrink)
        lacks = base_check.lacks(tree, master=recipe.kind == "rsync")
        report(Progress("publishing"))
        files, received = (moved.files, moved.received) if moved else (None, None)
        sizes = (counted.files, counted.size, files, received)
        self.bases.publish(name, lambda number: Generation(number, time.time(), str(recipe), *sizes, fetched.digest))
        return True, lacks

    def _guard(self, name: str, counted: base_check.Survey, *, shrink: bool) -> None:
        history = self.bases.history(name)
        if not history or shrink:
            return
        left = 100 - self.configuration.of_base(name).shrink
        for what, was, now in (("files", history[-1].files, counted.files), ("bytes", history[-1].size, counted.size)):
            if now * 100 < was * left:
                raise Failed(
                    f'"{name}" is not changed: it would shrink too much',
                    f"from {was} to {now} {what}; base.{name}.shrink is {100 - left} %",
                    f"look at the master; if that is right: gaol base sync {name} --shrink",
                )

    def _fetch(self, name: str, recipe: Recipe, report: Report, lock: int) -> _Fetched:
        """Fill `incoming`, unless it is known before that nothing has changed."""
        if recipe.kind in ("rsync", "directory"):
            return _Fetched(base_rsync.sync(recipe.argument, self._incoming(name), self.access, report, lock=lock))
        history = self.bases.history(name)
        digest = None
        if recipe.kind == "oci" and (image := base_oci.reference(recipe.argument)):
            digest = base_oci.digest(image, self.registries, report, lock=lock)
            if history and history[-1].digest == digest:
                return _Fetched(same=True)
            recipe = replace(recipe, argument=base_oci.pinned(image, digest))
        try:
            made = self._make_aside(recipe, self.bases.aside(name), report, lock)
            newest = self.bases.newest(name)
            if newest is None or recipe.kind == "machine":
                self.bases.put_incoming(name, made)
                return _Fetched(digest=digest)
            clean.clean(made)
            if recipe.kind in _BY_PACKAGES and base_check.packages(made) == base_check.packages(newest):
                return _Fetched(same=True)
            # Into a clone of the newest generation, so that what is the same takes no room twice.
            moved = base_rsync.sync(str(made), self._incoming(name), self.access, report, lock=lock, step="comparing")
            return _Fetched(moved, digest)
        finally:
            self.bases.aside(name)

    def _incoming(self, name: str) -> Path:
        tree = self.bases.incoming(name)
        space.limit(tree)
        return tree

    def _make_aside(self, recipe: Recipe, aside: Path, report: Report, lock: int) -> Path:
        """A tree of its own, as a subvolume."""
        if recipe.kind == "oci":
            return base_oci.fill(recipe.argument, aside, self.registries, report, lock=lock)
        if recipe.kind == "machine":
            self._take(recipe.argument)(aside, report)
            return aside
        btrfs.create(aside)
        space.limit(aside)
        makers: dict[str, Callable[[], None]] = {
            "mmdebstrap": lambda: base_debian.make(aside, recipe.argument, recipe.mirror, report),
            "pacstrap": lambda: base_pacstrap.make(aside, self.configuration.daemon.cache, recipe.mirror, recipe.keyring, report),
            "tar": lambda: base_archive.fill(recipe.argument, aside, report, lock=lock),
        }
        makers[recipe.kind]()
        return aside


def one_line(error: Exception) -> str:
    """What programs said over several lines, for a log and a file."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


_BY_PACKAGES = frozenset({"mmdebstrap", "pacstrap"})
