"""Files that are there whole or not at all. The only writer of files that others may read meanwhile."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed


def replace(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Put a new file in the place of whatever was there, in one step. Raises OSError; nothing has changed then.

    `durable`: also over a power cut, after which it is the former one or this one. The directory may belong to somebody
    else, who may have put links in it: none is followed.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        new = f".{path.name}.{secrets.token_hex(8)}"  # what goes over directories skips names with a dot
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.rename(new, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=directory)
            raise
    finally:
        os.close(directory)


def write(path: Path, data: bytes, *, durable: bool) -> None:
    """Replace a file of root's own. Raises Failed."""
    try:
        replace(path, data, durable=durable)
    except OSError as error:
        why = "the file system it is on is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise Failed(f"can't write {path}", why, "gaol store info") from None
