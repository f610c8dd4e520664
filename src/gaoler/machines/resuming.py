"""What a machine can go on from, in place of booting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Resumed:
    """An image of a running machine (host/image.py), as files of ours that are its caller's to close."""

    memory: int
    state: int
    kernel: str
    """The very kernel that it is of."""
    told: dict[str, Any]
    """What is known of the machine at once: fields of `Live`."""
    guest: Path | None = None
    """Where the files of /uml are that its programs have open; None for those of today."""
