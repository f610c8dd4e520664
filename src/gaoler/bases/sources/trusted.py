"""Paths that root reads for a base, at each sync: nobody but root may choose what they lead to.

A link in the way, or a directory that somebody else may write, would let them put root's own files into everybody's machines.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gaoler.errors import NotAllowed, NotFound

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check(path: str) -> None:
    """See that every step of an absolute path is root's alone to change, and no link. Raises NotFound, NotAllowed.

    What was looked at stays so afterwards: only root can change it.
    """
    above: int | None = None
    try:
        for name in ("/", *Path(path).parts[1:]):
            here = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            if above is not None:
                os.close(above)
            above = here
            if why := _fault(name, os.fstat(here)):
                raise NotAllowed(f"a base can't be made from {path[:200]}", why, f"ls -ld {path}")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no file or directory {path[:200]}", "it is not there", f"ls {Path(path).parent}") from None
    finally:
        if above is not None:
            os.close(above)


def _fault(name: str, found: os.stat_result) -> str:
    """Why somebody else could choose what this step of a path, or the next one, leads to; nothing where nobody can."""
    if stat.S_ISLNK(found.st_mode):
        return f"{name} in it is a link, and where that leads may change"
    if name == ".." or found.st_uid:
        return f"{name} in it is not root's, who reads it at each sync"
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX  # what is root's in there nobody else replaces
    return f"others than root may write {name} in it" if found.st_mode & _OTHERS and not is_sticky else ""
