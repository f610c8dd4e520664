"""The kernel's source as a git repository to work in: a commit for the source, one for our files, one a patch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gaoler import places
from gaoler.errors import Failed, Usage
from gaoler.host.command import run
from gaoler.kernels import cache, files, patch, unpack
from gaoler.kernels.files import Overlay
from gaoler.kernels.source import Source, read_series
from gaoler.progress import Progress, Report

#: Who has committed source and files; patches keep their author.
_WHO = ("-c", "user.name=gaoler", "-c", "user.email=gaoler@localhost", "-c", "gc.auto=0")


def make(directory: str, cache_dir: Path, report: Report) -> None:
    """Fill a new directory; the tags `plain` and `files` stand before the patches.

    Raises Failed, and Usage where no new directory is named.
    """
    tree = Path(directory)
    if not directory or tree.exists():
        why = f"{tree} exists" if directory else "TREE is not set"
        raise Usage("the kernel's tree needs a new directory", why, "make kernel-tree TREE=DIRECTORY")
    source = newest(cache_dir / "packages")
    with tempfile.TemporaryDirectory(prefix=".tree-", dir=tree.absolute().parent) as name:
        work = Path(name) / "linux"
        unpack.unpack(cache_dir / "packages" / f"{source.package}_{source.version}_all.deb", source, work, report)
        git(work, "init", "-q")
        see_all(work / ".gitignore")
        commit(work, f"Linux {cache.upstream(source.version)}", "plain", report)
        files.lay(work, Overlay(places.FILES, places.REPLACED), report)
        commit(work, "Files of gaoler's, in place of those they come from", "files", report)
        report(Progress("commit the patches"))
        git(work, "am", "-q", "--whitespace=nowarn", *(str(path) for path in patch.patches(places.PATCHES)))
        work.rename(tree)


def newest(packages: Path) -> Source:
    """The package that a build has left in the cache; raises Failed where there is none."""
    path = newest_path(packages)
    if path is None:
        why = f"{packages} holds no package of it"
        raise Failed("the kernel's source is not in the cache", why, "sudo make test ARGS=tests/unit")
    name, version, _ = path.name.split("_")
    return Source(name, version, unpack.sha256(path), path.stat().st_size, "cache")


def newest_path(packages: Path) -> Path | None:
    """The newest package of the first series that there is one of, in the order of kernel/series."""
    for series in read_series(places.SERIES):
        found = packages.glob(f"linux-source-{series}_*_all.deb")
        by_version = sorted(found, key=lambda path: cache.version_key(cache.upstream(path.name.split("_")[1])))
        if by_version:
            return by_version[-1]
    return None


def see_all(ignored: Path) -> None:
    """Takes out what Debian adds, by which git would see nothing but debian/."""
    lines = ignored.read_text().splitlines(keepends=True)
    ignored.write_text("".join(line for line in lines if line.strip() not in ("/*", "!/debian/")))


def commit(tree: Path, subject: str, tag: str, report: Report) -> None:
    report(Progress(f"commit: {subject}"))
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", subject)
    git(tree, "tag", tag)


def git(tree: Path, *words: str) -> None:
    run(["git", *_WHO, "-C", str(tree), *words])
