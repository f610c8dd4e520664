"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed


def write(path: Path, data: bytes, *, durable: bool) -> None:
    """Replace a file atomically; `durable`: also over a power cut, after which it is the former one or this one, whole."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise Failed(f"can't write {path}", error.strerror or str(error), "gaol store info tells how full it is") from None
