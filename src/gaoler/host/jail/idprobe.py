"""Whether a file system takes mounts with mapped ids, by trying (the list of those that do grows with each kernel)."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from gaoler.errors import Failed
from gaoler.host import libc
from gaoler.host.facilities import MORE_NAMESPACES

_REFUSALS = (errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


_known: dict[tuple[int, Path], bool] = {}


def can_idmap(directory: int, path: Path) -> bool:
    """Whether the mount that an open directory is on can be cloned with mapped ids. Nothing is mounted anywhere.

    `path` tells it from others, for the next time. Raises Failed.
    """
    try:
        place = (os.fstat(directory).st_dev, path)
        if place not in _known:
            _known[place] = _probe(directory)
    except OSError as error:
        raise Failed(f"can't look at {path}", error.strerror or str(error), "gaol doctor") from error
    return _known[place]


def _probe(directory: int) -> bool:
    tree = libc.open_tree(Path(f"/proc/self/fd/{directory}"))
    try:
        libc.mount_setattr_idmap(tree, _some_user_namespace())
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        return False
    finally:
        os.close(tree)
    return True


@cache
def _some_user_namespace() -> int:
    """A user namespace to map with; which ids it maps does not matter. Kept for as long as this process runs."""
    command = ["unshare", "--user", "--map-root-user", "cat"]
    # cat answers once the namespace is there, and ends with its input.
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, bufsize=0) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):  # it has ended already: unshare failed
            child.stdin.write(b"\n")
        if not child.stdout.read(1):
            raise Failed("can't make a user namespace", "unshare failed", MORE_NAMESPACES)
        namespace = os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        child.stdin.close()
    return namespace
