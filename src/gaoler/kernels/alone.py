"""Shows that each fix stands alone: applied to a plain source without any other change of ours, it builds."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gaoler import places
from gaoler.errors import Failed
from gaoler.host.stream import plain_environment, stream
from gaoler.kernels import patch, unpack, worktree
from gaoler.progress import Progress, Report

_HINT = "a fix is sent by itself: take out what it needs of other patches, or put it into another folder"


def show(cache_dir: Path, whole: bool, report: Report) -> list[str]:
    """Apply and build each patch of fix/ by itself, of the source in the cache; give their names.

    The objects that it touches are compiled, with their warnings as errors; with `whole` the kernel is linked. Raises Failed.
    """
    fixes = [path for path in patch.patches(places.PATCHES) if path.parent.name == "fix"]
    source = worktree.newest(cache_dir / "packages")
    with tempfile.TemporaryDirectory(prefix="fixes-", dir=cache_dir) as name:
        tree = Path(name) / "linux"
        unpack.unpack(cache_dir / "packages" / f"{source.package}_{source.version}_all.deb", source, tree, report)
        # Options of ours are lost here, and static linking with vector: all else is as in a machine's kernel.
        plain = Progress("compile the plain source")
        make(tree, plain, report, "allnoconfig", KCONFIG_ALLCONFIG=str(places.FRAGMENT))
        make(tree, plain, report, "linux" if whole else "prepare")
        for done, path in enumerate(fixes):
            step = Progress("fixes alone", done, len(fixes), "fixes", path.name)
            report(step)
            patch.apply(tree, [path], lambda _: None)
            try:
                make(tree, step, report, *(["linux"] if whole else objects(tree, touched(path))))
            except Failed as error:
                raise Failed(f"{path.name} does not stand alone", error.why, _HINT) from error
            patch.reverse(tree, path)
    report(Progress("fixes alone", len(fixes), len(fixes), "fixes"))
    return [path.name for path in fixes]


def touched(path: Path) -> list[str]:
    """The files that a patch changes."""
    return re.findall(r"^\+\+\+ b/(\S+)", path.read_text(), re.MULTILINE)


def objects(tree: Path, changed: Iterable[str]) -> list[str]:
    """What make is to be asked for: the objects of sources, and all of the architecture where a header is changed.

    Not both of the same directory: kbuild then makes in it what was named alone, and misses the rest.
    """
    names = list(changed)
    wanted = {name.removesuffix(".c") + ".o" for name in names if name.endswith(".c")}
    if any(name.startswith("arch/") and not name.endswith(".c") for name in names) and (tree / "arch/um").is_dir():
        wanted = {name for name in wanted if not name.startswith("arch/um/")} | {"arch/um/"}
    return sorted(wanted)


def make(tree: Path, step: Progress, report: Report, *targets: str, **environment: str) -> None:
    """Each file that is compiled is told: the whole takes minutes."""
    words = ["nice", "make", "ARCH=um", f"-j{len(os.sched_getaffinity(0))}", "KCFLAGS=-Werror", *targets]
    stream(
        words,
        lambda line: report(replace(step, note=f"{step.note} {line.strip()}".strip()[:90])),
        what="the kernel does not compile",
        cwd=tree,
        env={**plain_environment(), **environment},
    )
