"""Syncs bases at their intervals where no systemd timer does it."""

from __future__ import annotations

import logging
import subprocess
import threading
from pathlib import Path

from gaoler.bases.sync import BaseSync
from gaoler.installation import unit
from gaoler.progress import silent

LOOK = 60.0
"""Seconds between looks at what is due; the shortest interval that makes sense."""
_log = logging.getLogger(__name__)


class BaseSchedule:
    """A thread that does what packaging/gaoler-bases.timer does where that is active."""

    def __init__(self, syncs: BaseSync) -> None:
        self._syncs = syncs
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, name="bases", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                some = any(base.sync for base in self._syncs.configuration.base.values())
                if some and not systemd_does_it():
                    self._syncs.sync_due(silent)
            except Exception:
                _log.exception("syncing bases")
            self._ended.wait(LOOK)


def systemd_does_it() -> bool:
    """Whether the timer of this installation runs."""
    if not Path("/run/systemd/system").is_dir():
        return False
    return subprocess.run(["systemctl", "--quiet", "is-active", unit("gaoler-bases.timer")], check=False).returncode == 0
