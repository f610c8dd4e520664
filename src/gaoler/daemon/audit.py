"""Who did what to whose machine: an entry a line, JSON, in a file a day, root's alone, kept as long as the configuration says.

Requests are noted when they are answered, refused ones too. What happens to machines by itself, a time that is over, say, or a
crash, is noted as nobody's doing. What commands people run inside is theirs, and isn't. Logins to the page are noted beside
this, by the page's helper (gaoler.web.noting).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaoler import days
from gaoler.machines import asking


class Audit(logging.Handler):
    """The audit of one daemon; as a handler of log records it notes those that are `events` and nobody's request."""

    def __init__(self, directory: Callable[[], Path], keep: Callable[[], int], most: int = days.MOST) -> None:
        """`keep` is in seconds. Both are asked anew each day."""
        super().__init__()
        self._days = days.Days(directory, keep, most)

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is not None and asking.asker() is None:
            self.note(who=None, **{key: value for key, value in event.items() if value})

    def note(self, **entry: Any) -> None:
        """Never fails: what can't be written is told, once, in the log."""
        self._days.note(**entry)

    def leave(self) -> None:
        """Close the file of the day."""
        self._days.leave()

    def prune(self) -> None:
        """Delete what is older than is to be kept, and the oldest beyond what all may take; never today's."""
        self._days.prune()
