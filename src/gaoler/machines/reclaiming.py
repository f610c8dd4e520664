"""Who is asked to give memory back, and how much (pure).

A machine's page cache is memory to the host, and nobody inside is in need of it who does nothing, or who could read it again
from the host's own cache. So machines that do nothing give it back, and all do when the host is short: an owner who has more
than an even share gives, the one who is most above it most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

ENOUGH = 0.10
"""Of the host's memory: with less available than this it is short, and asks for what is missing."""
STALLED = 10.0
"""Per cent of time that somebody has waited for memory, of late (PSI, some, avg10): short as well, unless there is plenty."""
PLENTY = 0.25
"""Of the host's memory: with that much available nobody waits for the host, but at a limit of their own, which PSI counts,
too. One busy machine at its limit (57 per cent, with 22 of 24 GB available) isn't a reason to ask all others."""
_STALLED_WANTS = 0.02
"""Of the host's memory, what is asked for then."""
LEAST = 4 << 20
"""Bytes: less than that is not worth a machine's while."""
IDLE = 15.0
"""Seconds that a machine has done next to nothing for before it is taken for idle."""
_IDLE_GIVES = 0.5
"""Of what an idle machine holds, at once. What it needs all the same it reads again."""


@dataclass(frozen=True)
class Holding:
    """What a running machine holds on the host, in bytes."""

    machine: str
    owner: int
    memory: int


def missing(total: int, available: int, stalled: float) -> int:
    """How many bytes the host wants back; 0 while it has enough."""
    short = max(0, round(ENOUGH * total) - available)
    return max(short, round(_STALLED_WANTS * total)) if stalled > STALLED and available < PLENTY * total else short


def demands(holdings: Iterable[Holding], wanted: int) -> dict[str, int]:
    """Bytes to ask of each machine, by name; who is at or below an even share of its owner's is not asked."""
    there = list(holdings)
    of_owner: Counter[int] = Counter()
    for holding in there:
        of_owner[holding.owner] += holding.memory
    if not there or not wanted:
        return {}
    share = sum(of_owner.values()) / len(of_owner)
    # With one owner, or all alike, everybody gives in proportion.
    above = {owner: max(0.0, held - share) for owner, held in of_owner.items()}
    if not any(above.values()):
        above = {owner: float(held) for owner, held in of_owner.items()}
    together = sum(above.values()) or 1.0
    asked = {
        one.machine: round(min(wanted, together) * above[one.owner] / together * one.memory / (of_owner[one.owner] or 1))
        for one in there
    }
    return {machine: size for machine, size in asked.items() if size >= LEAST}


@dataclass(frozen=True)
class Idleness:
    """Of one machine: since when it has done nothing (seconds), its processor time by then, and whether it has given."""

    since: float
    cpu: float
    gave: bool = False
    held: int = 0
    """What it held when it was last asked."""


def look(known: Idleness | None, now: float, cpu: float, memory: int, busy: float) -> tuple[Idleness, int]:
    """What is known of a machine from now on, and how many bytes to ask it for. `busy`: of one processor, more is not idle."""
    if known is None or cpu - known.cpu > busy * max(now - known.since, 1.0):
        return Idleness(now, cpu), 0
    if now - known.since < IDLE:
        return known, 0
    if known.gave and memory > known.held - LEAST:
        return known, 0  # there was nothing more to have
    wanted = round(_IDLE_GIVES * memory)
    if wanted < LEAST:
        return Idleness(known.since, known.cpu, gave=True, held=memory), 0
    return Idleness(known.since, known.cpu, gave=True, held=memory), wanted
