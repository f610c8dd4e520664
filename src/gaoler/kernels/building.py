"""Builds gaoler's kernel: fetch, unpack, patch, configure, compile, keep."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaoler import places
from gaoler.errors import Failed, NotFound
from gaoler.host import apt
from gaoler.kernels import cache, compiler, files, kconfig, patch, unpack
from gaoler.kernels.cache import Manifest, Recipe
from gaoler.kernels.files import Overlay
from gaoler.kernels.kernel import Kernel, name_of
from gaoler.kernels.source import PrivateApt, Source, read_series, resolve
from gaoler.progress import Progress, Report, silent

#: What source tree and objects take while a kernel is being built, in bytes; measured: 2.6 GB.
SPACE = 3_500_000_000


def recipe() -> Recipe:
    """The configuration, the files and the patches that this gaoler has."""
    return Recipe(places.FRAGMENT, Overlay(places.FILES, places.REPLACED), tuple(patch.patches(places.PATCHES)))


def installed(dest_dir: Path) -> Kernel | None:
    """The newest sound kernel made by this gaoler's recipe, whatever the version of the source."""
    digest = recipe().digest
    for manifest in cache.entries(dest_dir):
        if manifest.recipe == digest:
            return manifest.kernel(dest_dir)
    return None


def build(cache_dir: Path, dest_dir: Path, progress: Report = silent, series: str | None = None) -> Kernel:
    """Puts the newest kernel of a supported series into `dest_dir`, out of the cache where it is there.

    Raises NotFound for a series that there are no patches for, Failed for the rest: each error names its step.
    """
    supported = read_series(places.SERIES)
    if series is not None and series not in supported:
        raise NotFound(f'no kernel series "{series}"', f"there are patches for {', '.join(supported)}", "gaol kernel build")
    cache_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(cache_dir, progress):
        private = PrivateApt(cache_dir / "apt", apt.host_archive())
        source = resolve(private, [series] if series else supported, progress)
        wanted = recipe()
        kept = cache_dir / "kernels" / name_of(cache.upstream(source.version), wanted.hash(source.version))
        manifest = look_up(kept, progress)
        if manifest is None:
            package = private.download(source, cache_dir / "packages", progress)
            with work_directory(cache_dir) as work:
                manifest = make(package, source, wanted, work, cache_dir, progress)
        entry = cache_dir / "kernels" / manifest.name
        cache.store(entry / "linux", manifest, dest_dir, entry / "config")
    return manifest.kernel(dest_dir)


def look_up(entry: Path, report: Report) -> Manifest | None:
    """The cached build of that name; a damaged one is thrown away and will be made again."""
    if not entry.exists():
        return None
    try:
        return cache.read(entry)
    except cache.Damaged as error:
        report(Progress(f"{error}: building it again"))
        shutil.rmtree(entry)
        return None


def make(package: Path, source: Source, wanted: Recipe, work: Path, cache_dir: Path, report: Report) -> Manifest:
    """One build from a package to an entry of the cache."""
    begin = time.monotonic()
    tree = work / "linux"
    unpack.unpack(package, source, tree, report)
    files.lay(tree, wanted.overlay, report)
    patch.apply(tree, list(wanted.patches), report)
    kconfig.configure(tree, wanted.fragment, report)
    objects = compiler.compile_kernel(tree, cache_dir / "ccache", report)
    manifest = Manifest(
        version=cache.upstream(source.version),
        series=source.series,
        hash=wanted.hash(source.version),
        source=source.version,
        source_sha256=source.sha256,
        recipe=wanted.digest,
        patches=[path.name for path in wanted.patches],
        linux_sha256=unpack.sha256(tree / "linux"),
        linux_size=(tree / "linux").stat().st_size,
        objects=objects,
        seconds=round(time.monotonic() - begin, 1),
    )
    cache.store(tree / "linux", manifest, cache_dir / "kernels", tree / ".config")
    return manifest


@contextmanager
def work_directory(cache_dir: Path) -> Iterator[Path]:
    """A place for one build, gone afterwards; what an interrupted one left is removed first."""
    for stale in cache_dir.glob("build-*"):
        shutil.rmtree(stale)
    free = shutil.disk_usage(cache_dir).free
    if free < SPACE:
        raise Failed(
            f"not enough space in {cache_dir}",
            f"{free / 1e9:.1f} GB are free, a kernel build needs {SPACE / 1e9:.1f} GB",
            "make up CACHE=DIRECTORY",
        )
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_dir) as name:
        yield Path(name)


@contextmanager
def locked(cache_dir: Path, progress: Report) -> Iterator[None]:
    """One build at a time in a cache; the second one waits and then finds the first one's."""
    descriptor = os.open(cache_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(Progress("wait for another kernel's build to end"))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
