"""The kinds of sources there are."""

from __future__ import annotations

import os

from gaoler.bases.history import Recipe
from gaoler.bases.sources import trusted
from gaoler.bases.sources.arch import Pacstrap
from gaoler.bases.sources.archive import Tar
from gaoler.bases.sources.debian import Mmdebstrap
from gaoler.bases.sources.image import Oci
from gaoler.bases.sources.machine import Machine
from gaoler.bases.sources.master import Directory, Rsync
from gaoler.bases.sources.source import Means, Source
from gaoler.errors import Failed, Usage

KINDS: dict[str, type[Source]] = {source.kind: source for source in (Rsync, Pacstrap, Mmdebstrap, Oci, Tar, Directory, Machine)}


def source_of(recipe: Recipe, means: Means) -> Source:
    """Raises Failed for a kind that is not known, as a newer gaoler may have written it."""
    kind = KINDS.get(recipe.kind)
    if kind is None:
        raise Failed(f"can't sync from {recipe}", f'this gaoler has no source "{recipe.kind[:40]}"', "gaol base add -h")
    return kind(recipe, means)


def check(recipe: Recipe, means: Means) -> None:
    """What can be seen of a recipe before any work. Raises Usage, NotFound, Failed."""
    source = source_of(recipe, means)
    for option in ("mirror", "keyring"):
        if getattr(recipe, option) is not None and option not in source.options:
            those = " or --".join(kind for kind, takes in KINDS.items() if option in takes.options)
            raise Usage(f"--{option} means nothing to --{recipe.kind}", f"it goes with --{those}", "gaol base add -h")
    source.check()
    look(source)


def look(source: Source) -> None:
    """See that nobody but root chooses what is read, at each sync anew. Raises NotFound, NotAllowed."""
    for path in source.paths():
        trusted.check(path)
    if source.keyring and os.path.lexists(source.keyring):  # its kind tells where one comes from that is not there
        trusted.check(source.keyring)
