"""What a host remembers of its store, outside of it: so that another one, or none, is not taken for it.

Kept where the store's image is by default (/var/lib/gaoler/store.json), also when the store is on a device.
"""

from __future__ import annotations

import fcntl
import json
import threading
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from gaoler import files

NAME = "store.json"
FILES = (NAME, "store.lock")


@dataclass(frozen=True)
class Memo:
    uuid: str = ""
    """Of its file system; nothing where there was none yet."""
    source: str = ""
    """The device or image that it was on when it was mounted last."""
    machines: bool = False
    """Whether somebody has a machine in it."""
    target: str = ""
    """The device that it is being moved to."""

    @classmethod
    def read(cls, path: Path) -> Memo:
        """An empty one where there is none that can be understood."""
        try:
            raw = json.loads(path.read_bytes())
            return cls(**{field.name: raw[field.name] for field in fields(cls) if field.name in raw})
        except (OSError, ValueError, TypeError):
            return cls()

    @classmethod
    def change(cls, path: Path, **changes: str | bool) -> Memo:
        """The memo with these changes, durably written where it has any. Raises Failed.

        The daemon and `gaol store move` are two programs: one waits for the other.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = cls.read(path)
            changed = replace(before, **changes)  # type: ignore[arg-type]  # names of fields
            if changed != before:
                files.write(path, json.dumps(asdict(changed), indent=1).encode(), durable=True)
        return changed


class Keeper:
    """Remembers whether there are machines, while they come and go."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: bool | None = None
        self._lock = threading.Lock()

    def note(self, machines: bool) -> None:
        """Raises Failed."""
        with self._lock:
            if machines != self._last:
                Memo.change(self._path, machines=machines)
                self._last = machines
