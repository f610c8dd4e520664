"""Makes bases and brings them up to date: from a recipe to a published generation, or to a reason and nothing changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gaoler.bases import check, clean, space
from gaoler.bases.generations import Bases
from gaoler.bases.history import Attempt, Generation, Recipe
from gaoler.bases.rsync import Access, Interrupted
from gaoler.bases.shelf import Base
from gaoler.bases.sources import kinds
from gaoler.bases.sources.source import Means, Registries, Take, Work
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs
from gaoler.host.btrfs.ioctl import explained
from gaoler.host.ids import IDS
from gaoler.progress import Progress, Report
from gaoler.store.names import base_name

RETRY = 3600.0
"""Seconds until a base whose sync has failed is due again, where its interval is longer."""
_NONE = Attempt(0, "", 0)
_LISTED = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    base: Base
    new: bool


Used = Callable[[str], set[str]]
"""The generations of a base that machines came from."""
Count = Callable[[str, str], None]
"""A base and its sync's result, for the metrics."""


class BaseSync:
    """Every method may be called from any thread; a base is changed by one at a time."""

    def __init__(self, configuration: Configuration, bases: Bases, *, used: Used, take: Take, count: Count) -> None:
        self.configuration = configuration
        self.bases = bases
        self._used, self._take, self._count = used, take, count

    @property
    def _means(self) -> Means:
        """As they are configured by now."""
        there = self.configuration
        first = there.ids.first - IDS  # the ids below those of machines: nobody's, and no machine's
        masters, registries = there.masters, there.registries
        return Means(
            Access(masters.identity, masters.known_hosts, masters.password, first),
            Registries(registries.credentials, registries.certificates, tuple(registries.insecure), first),
            there.daemon.cache,
            self._take,
        )

    def add(self, name: str, recipe: Recipe, report: Report, *, replace: bool = False) -> Result:
        """Make a base and keep the recipe; one that is there is brought up to date, from elsewhere only with `replace`.

        Raises GaolerError.
        """
        kinds.check(recipe, self._means)
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
        source = kinds.source_of(recipe, self._means)
        kinds.look(source)
        try:
            fetched = source.fetch(Work(self.bases, name, report, lock))
        finally:
            self.bases.aside(name)
        moved = fetched.moved
        if before is not None and (fetched.same or (not resumed and moved is not None and not moved.files)):
            self.bases.discard(name)
            last = self.bases.last(name)
            return self.bases.show_newest(name), list(last.lacks) if last else []
        tree = self.bases.incoming(name)
        btrfs.sync(tree)  # until then the space that it takes is not known
        report(Progress("checking"))
        clean.clean(tree)
        faults = check.faults(tree)
        counted = check.survey(tree)
        if counted.strangers:
            faults.append(f"files of ids above {IDS - 1}, such as {', '.join(counted.strangers)}")
        if faults:
            raise Failed(
                f'"{name}" is not changed: what {recipe} gives is unfit for a base',
                "; ".join([*faults[:_LISTED], *(["and more"] if len(faults) > _LISTED else [])]),
                "gaol base sync NAME",
            )
        self._guard(name, counted, shrink=shrink)
        lacks = check.lacks(tree, master=source.is_master)
        report(Progress("publishing"))
        files, received = (moved.files, moved.received) if moved else (None, None)
        sizes = (counted.files, counted.size, files, received)
        self.bases.publish(name, lambda number: Generation(number, time.time(), str(recipe), *sizes, fetched.digest))
        return True, lacks

    def _guard(self, name: str, counted: check.Survey, *, shrink: bool) -> None:
        history = self.bases.history(name)
        if not history or shrink:
            return
        left = 100 - self.configuration.of_base(name).shrink
        for what, was, now in (("files", history[-1].files, counted.files), ("bytes", history[-1].size, counted.size)):
            if now * 100 < was * left:
                raise Failed(
                    f'"{name}" is not changed: it would shrink too much',
                    f"from {was} to {now} {what}; base.{name}.shrink is {100 - left} %",
                    f"gaol base sync {name} --shrink",
                )


def one_line(error: Exception) -> str:
    """What programs said over several lines, for a log and a file."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
