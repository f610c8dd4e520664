"""Idle stop: a machine that did next to nothing for as long as the administrator allows is stopped.

Judged by processor time alone: whatever else a machine does (serve, compute, talk) takes some.
"""

from __future__ import annotations

from dataclasses import dataclass

BUSY = 0.01
"""Of one processor: what a machine with sshd and the usual timers stays well below when nobody uses it."""
LOOKS = 4
"""How often an idle period is looked at."""


@dataclass(frozen=True)
class Mark:
    """A moment (seconds) and the processor time (seconds) that the machine had taken by then."""

    moment: float
    cpu: float


def judge(mark: Mark, now: Mark, period: float) -> Mark | None:
    """The mark to go on from; None when nothing has happened since `mark` for the whole period (seconds)."""
    if now.cpu - mark.cpu > BUSY * period:
        return now
    return mark if now.moment - mark.moment < period else None
