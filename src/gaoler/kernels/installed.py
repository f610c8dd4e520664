"""The kernels in the store: /uml/kernels/VERSION-HASH/linux."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from gaoler.errors import NotAllowed, NotFound
from gaoler.kernels.kernel import Kernel

_NAMED = 8
"""Machines that are told by their names."""
_NAME = re.compile(r"([0-9][0-9a-z.~+-]*)-([0-9a-f]{8,64})")


def all_kernels(directory: Path) -> list[Kernel]:
    """Newest version first, and of one version the one built last."""
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name and (path / "linux").is_file():
            found.append(Kernel(name[1], name[2], path))
    return sorted(found, key=lambda kernel: (_version(kernel.version), kernel.binary.stat().st_mtime), reverse=True)


def find(directory: Path, name: str) -> Kernel:
    """The kernel of that VERSION-HASH, VERSION or HASH; the newest for an empty name. Raises NotFound."""
    kernels = all_kernels(directory)
    for kernel in kernels:
        if name in ("", kernel.name, kernel.version, kernel.hash):
            return kernel
    if not kernels:
        raise NotFound("there is no kernel", f"{directory} is empty", "gaol kernel build, as an administrator")
    there = ", ".join(kernel.name for kernel in kernels)
    raise NotFound(f'no kernel "{name[:80]}"', f"this host has: {there}", "gaol kernel ls")


def remove(directory: Path, name: str, used: dict[str, list[str]]) -> None:
    """`used` is who uses each kernel, by its name. Raises NotFound, NotAllowed."""
    kernel = find(directory, name)
    if users := used.get(kernel.name):
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        why = f"{', '.join(users[:_NAMED])}{more} run it, or can go on with it alone"
        raise NotAllowed(f"kernel {kernel.name} is in use", why, f"gaol info {users[0]}")
    shutil.rmtree(kernel.directory)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text))
