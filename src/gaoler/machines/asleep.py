"""Where the memory of a machine that sleeps is kept: beside that of its snapshots, under a name that no snapshot has.

Two subvolumes: the image with its note, and the machine's files as they were then. A machine that sleeps has a note, and a
record that says so; anything else that is found there is left over. `begun` is there while it wakes: whoever finds it after
a power cut goes back to the files as they were, since the machine may have gone on for a moment.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from gaoler import files
from gaoler.host import btrfs
from gaoler.store.paths import Paths

_IMAGE, _FILES, _BEGUN, _GONE = ".asleep", ".asleep-files", "begun", ".gone-"


def image(paths: Paths, identity: str) -> Path:
    return paths.memory / identity / _IMAGE


def tree(paths: Paths, identity: str) -> Path:
    return paths.memory / identity / _FILES


def begin(paths: Paths, identity: str) -> None:
    """From now on the machine may have gone on. Raises Failed."""
    files.write(image(paths, identity) / _BEGUN, b"", durable=True)


def is_begun(paths: Paths, identity: str) -> bool:
    return (image(paths, identity) / _BEGUN).exists()


def put_off(paths: Paths, identity: str) -> None:
    """From now on there is nothing to go on from, the image first: without it the rest is of no use. Raises OSError."""
    for path in (image(paths, identity), tree(paths, identity)):
        if path.exists():
            path.rename(path.with_name(f"{_GONE}{secrets.token_hex(6)}"))


def clear(paths: Paths, identity: str) -> None:
    """Delete what was put off. Raises GaolerError."""
    for path in (paths.memory / identity).glob(f"{_GONE}*"):
        btrfs.delete(path)


def forget(paths: Paths, identity: str) -> None:
    """Both. Raises GaolerError, OSError."""
    put_off(paths, identity)
    clear(paths, identity)
