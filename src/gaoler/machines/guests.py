"""The files of gaoler's own that run inside machines, kept for as long as the memory of a machine has them open.

An upgrade puts others in their place. A machine that goes on from memory needs those that it had: its kernel opens them
again by name, and reads of them what it has dropped.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed
from gaoler.store.paths import Paths

_PARTS = ("bin", "etc", "lib")


def current(paths: Paths) -> str:
    """What tells this installation from another."""
    found = (paths.store / "bin/agent").stat()
    return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"


def keep(paths: Paths) -> str:
    """Keep those of today; returns what tells them from others. Raises Failed."""
    name = current(paths)
    kept = paths.guests / name
    if not kept.is_dir():
        fresh = paths.guests / f".{secrets.token_hex(6)}"
        try:
            fresh.mkdir(mode=0o755)
            for part in _PARTS:
                shutil.copytree(paths.store / part, fresh / part, symlinks=True)
            with suppress(FileExistsError):
                fresh.rename(kept)
        except OSError as error:
            why = error.strerror or str(error)
            raise Failed("gaoler's own files for machines can't be kept", why, "gaol store info") from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return name


def is_there(paths: Paths, name: str) -> bool:
    return name == current(paths) or (paths.guests / name).is_dir()


def find(paths: Paths, name: str) -> Path | None:
    """Where those of that name lie; None for those of today."""
    return None if name == current(paths) else paths.guests / name


def clear(paths: Paths, needed: set[str]) -> None:
    """Remove those that nothing needs."""
    for path in paths.guests.iterdir():
        if path.name not in needed:
            shutil.rmtree(path, ignore_errors=True)
