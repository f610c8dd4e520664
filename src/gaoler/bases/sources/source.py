"""What a source of bases is: a kind, the options that go with it, and how it fills a tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gaoler.bases import check, clean, rsync, space
from gaoler.bases.generations import Bases
from gaoler.bases.history import Recipe
from gaoler.bases.rsync import Access, Moved
from gaoler.errors import Usage
from gaoler.host import btrfs
from gaoler.progress import Report

Take = Callable[[str, str, Sequence[str]], Callable[[Path, Report], None]]
"""Of OWNER/NAME: what makes a subvolume of that machine's files. With its owner's mark, since another may have that login by now,
and paths to keep. Raises NotFound at once where there is no such machine, Usage for a path that can't be kept.
"""


@dataclass(frozen=True)
class Registries:
    """How gaoler shows itself to registries, and which it believes."""

    credentials: Path
    """A file as `skopeo login` writes it; not used where it is not there."""
    certificates: Path
    """A directory with HOST:PORT/ca.crt for registries whose certificates this host does not trust otherwise."""
    insecure: tuple[str, ...]
    """Registries that are believed without a certificate, and without TLS where they have none."""
    first_id: int
    """Where the ids that the confined skopeo runs with begin."""


@dataclass(frozen=True)
class Means:
    """What of this host sources may use."""

    access: Access
    registries: Registries
    cache: Path
    """For packages that are needed again."""
    take: Take


@dataclass(frozen=True)
class Work:
    """One sync of one base, while it has the right to change it."""

    bases: Bases
    name: str
    report: Report
    lock: int
    """A descriptor that programs which write the tree hold as well."""

    def incoming(self) -> Path:
        """The next generation's tree, as far as it is; it may take no more room than there is to spare."""
        tree = self.bases.incoming(self.name)
        space.limit(tree)
        return tree


@dataclass(frozen=True)
class Fetched:
    """What has come of a source."""

    moved: Moved | None = None
    """What has changed against the newest generation, where that is known."""
    digest: str | None = None
    same: bool = False
    """The source is as it was: there is nothing in `incoming` to go on with."""


class Source(ABC):
    """Where a base's tree comes from. Made anew for each sync."""

    kind: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()
    """Fields of a recipe, beside the argument, that mean something to it."""
    is_master: ClassVar[bool] = False
    """Whether it is a machine that somebody else keeps up to date, and that can tell how that went."""

    def __init__(self, recipe: Recipe, means: Means) -> None:
        self.argument, self.mirror, self.keyring = recipe.argument, recipe.mirror, recipe.keyring
        self.machine_mark = recipe.machine_mark
        self.keep = recipe.keep
        self.means = means

    def check(self) -> None:  # noqa: B027 - most have nothing to see
        """What can be seen before any work. Raises Usage, NotFound."""

    def paths(self) -> list[str]:
        """Those of this host that root reads for it. They must be root's alone to change."""
        return []

    @abstractmethod
    def fetch(self, work: Work) -> Fetched:
        """Fill `incoming`, unless nothing has changed. Raises GaolerError."""

    def _must_be_absolute(self) -> None:
        if not self.argument.startswith("/"):
            example = f"gaol base add tree --{self.kind} /srv/tree"
            raise Usage(f"the {self.kind} must be given by its absolute path", self.argument[:100], example)


class Made(Source):
    """A source that makes a whole tree each time, which is then compared with the newest generation."""

    by_packages: ClassVar[bool] = False
    """Whether trees of the same packages are the same."""
    shares: ClassVar[bool] = False
    """Whether its trees share their blocks with where they came from, so that each is taken as it is."""

    def digest(self, work: Work) -> str | None:  # noqa: ARG002 - for those that have one
        """What names the source's state, where something does. Raises GaolerError."""
        return None

    @abstractmethod
    def fill(self, tree: Path, work: Work) -> Path:
        """Make the tree, a subvolume, at `tree` or below it, where nothing is yet. Returns where it is. Raises GaolerError."""

    def fetch(self, work: Work) -> Fetched:
        bases, name = work.bases, work.name
        history, newest = bases.history(name), bases.newest(name)
        digest = self.digest(work)
        if digest is not None and history and history[-1].digest == digest:
            return Fetched(same=True)
        made = self.fill(bases.aside(name), work)
        if newest is None or self.shares:
            bases.put_incoming(name, made)
            return Fetched(digest=digest)
        clean.clean(made)
        if self.by_packages and check.packages(made) == check.packages(newest):
            return Fetched(same=True)
        # Into a clone of the newest generation, so that what is the same takes no room twice.
        moved = rsync.sync(str(made), work.incoming(), self.means.access, work.report, lock=work.lock, step="comparing")
        return Fetched(moved, digest)


def subvolume(tree: Path) -> Path:
    """An empty subvolume that may take no more room than there is to spare."""
    btrfs.create(tree)
    space.limit(tree)
    return tree
