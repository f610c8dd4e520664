"""Named moments at which a test lets the daemon die, as a power cut or SIGKILL might.

`GAOLER_FAILPOINT=start.plugged gaoler` kills itself when it first reaches that moment. Only root starts the daemon, so
only root can set it; without it, passing a moment costs the comparison of two strings.
"""

from __future__ import annotations

import os
import signal

MOMENTS = (
    "create.recorded",
    "create.cloned",
    "start.wanted",
    "start.prepared",
    "start.plugged",
    "start.jailed",
    "start.watched",
    "stop.wanted",
    "stop.ended",
    "release.unjailed",
    "release.unplugged",
    "remove.wanted",
    "remove.released",
    "aside.moved",
    "remove.deleted",
    "had.back",
    "snapshot.taken",
    "copy.begun",
    "copy.stored",
    "copy.noted",
    "clone.taken",
    "another.started",
    "another.named",
    "export.taken",
    "import.unpacked",
    "sleep.stored",
    "sleep.noted",
    "sleep.wanted",
    "sleep.ended",
    "wake.begun",
    "wake.started",
    "wake.noted",
    "resume.restored",
    "diff.taken",
    "rebase.cloned",
    "rebase.put",
    "rebase.exchanged",
    "restore.staged",
    "restore.exchanged",
    "template.kept",
    "ahead.created",
    "ahead.started",
    "ahead.taken",
    "run.given",
)
_armed = os.environ.get("GAOLER_FAILPOINT", "")


def reach(moment: str) -> None:
    """Pass a moment, or die there."""
    if moment == _armed:
        os.kill(os.getpid(), signal.SIGKILL)
