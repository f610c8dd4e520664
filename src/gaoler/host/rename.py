"""Exchange two names of a file system in one step, which Python does not offer."""

from __future__ import annotations

from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import libc


def exchange(one: Path, other: Path) -> None:
    """Both must exist, in one file system. Raises Failed."""
    try:
        libc.exchange(one, other)
    except OSError as error:
        raise Failed(f"can't exchange {one} and {other}", error.strerror or str(error), "gaol doctor") from None
