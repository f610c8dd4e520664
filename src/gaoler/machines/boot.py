"""Whether this is the first daemon since the host's start: a mark in the runtime directory, which goes with a reboot.

A daemon that was killed leaves its mark, so the next one knows that the host never went down.
"""

from __future__ import annotations

from pathlib import Path

from gaoler import files

_ID = Path("/proc/sys/kernel/random/boot_id")
"""Another one at each start of the host (proc(5)): the directory may be on a disk."""


class Boot:
    """Of one daemon."""

    def __init__(self, runtime: Path) -> None:
        self._mark = runtime / "boot"
        self._now = _ID.read_text()
        self.is_first = self._noted() != self._now

    def note(self) -> None:
        """All that was to be done after the host's start has been done. Raises OSError."""
        files.replace(self._mark, self._now.encode())

    def _noted(self) -> str:
        try:
            return self._mark.read_text()
        except OSError:
            return ""
