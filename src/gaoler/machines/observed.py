"""What is observed of a machine, as one value that is replaced whole, and the table of what can happen to it.

An event that means nothing in a phase changes nothing there: what two threads see at once may come in any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Concatenate, Literal, ParamSpec

from gaoler.machines.live import Live
from gaoler.machines.tally import Reason

State = Literal["starting", "ready", "running", "frozen", "stopping", "stopped", "failed", "asleep"]
"""What a user is told. Running is up, but not ready: something is missing."""
Phase = Literal["down", "starting", "up", "stopping", "ended"]
"""What is being done. Ended: its process has gone, and whoever stops it has not finished yet."""
P = ParamSpec("P")


@dataclass(frozen=True)
class Observed:
    """A machine as far as this daemon knows."""

    live: Live | None = None
    busy: Literal["starting", "stopping"] | None = None
    reason: str | None = None
    """Why it failed."""
    ending: Reason = "asked"
    """Why it is being stopped, or was."""
    begun: float | None = None
    """When its start began, of `time.monotonic()`; None once it is ready, and for one that was found running."""
    answered: bool = False
    """Whether its agent has come up since its last start, also when it has ended since."""
    frozen: bool = False
    """Whether its programs stand still, as somebody wished."""
    asleep: bool = False
    """Whether it does not run, and can go on from the memory that it had."""
    gone: bool = False
    """Thrown away: nothing of it is left but in the hands of those who waited for it."""

    @property
    def phase(self) -> Phase:
        if self.live is None:
            return {None: "down", "starting": "starting", "stopping": "ended"}[self.busy]  # type: ignore[return-value]
        return "stopping" if self.busy == "stopping" else "up"

    @property
    def state(self) -> State:
        if self.live is None:
            if self.busy == "starting":
                return "starting"
            if self.asleep:
                return "asleep"
            return "failed" if self.reason else "stopped"
        if self.busy == "stopping" or self.live.stopping:
            return "stopping"
        if self.frozen:
            return "frozen"
        if self.live.ready:
            return "ready"
        return "running" if self.live.missing else "starting"


TABLE: dict[str, frozenset[Phase]] = {}
"""Each event, and the phases in which it means something."""


def _in(*phases: Phase) -> Callable[[Callable[Concatenate[Observed, P], Observed]], Callable[Concatenate[Observed, P], Observed]]:
    """A line of the table."""

    def line(event: Callable[Concatenate[Observed, P], Observed]) -> Callable[Concatenate[Observed, P], Observed]:
        TABLE[event.__name__] = frozenset(phases)

        @functools.wraps(event)
        def happen(seen: Observed, /, *arguments: P.args, **more: P.kwargs) -> Observed:
            return event(seen, *arguments, **more) if seen.phase in phases else seen

        return happen

    return line


@_in("down", "ended")
def starts(seen: Observed, now: float) -> Observed:
    """Its start begins, at `now` of `time.monotonic()`."""
    return replace(seen, busy="starting", reason=None, ending="asked", answered=False, begun=now, asleep=False)


@_in("starting")
def runs(seen: Observed, live: Live) -> Observed:
    """Its kernel runs in its jail."""
    return replace(seen, live=live, busy=None, frozen=False)


@_in("starting", "up")
def was_not_started(seen: Observed, reason: str) -> Observed:
    """Its start came to nothing."""
    return replace(seen, live=None, busy=None, reason=reason, frozen=False)


@_in("down")
def was_found(seen: Observed, live: Live, *, frozen: bool = False) -> Observed:
    """A daemon that has just started found it running."""
    return replace(seen, live=live, frozen=frozen, asleep=False)


@_in("down")
def was_lost(seen: Observed, reason: str) -> Observed:
    """A daemon that has just started found that it should run, and does not."""
    return replace(seen, reason=reason)


@_in("down")
def went_down_with_host(seen: Observed) -> Observed:
    """It ran when the host went down, which is nobody's failure of the machine's."""
    return replace(seen, ending="host")


@_in("down", "ended")
def slept(seen: Observed) -> Observed:
    """Its memory is kept, and it can go on from there."""
    return replace(seen, asleep=True, reason=None)


@_in("down")
def stayed_down(seen: Observed) -> Observed:
    """It slept, and what it had in memory has gone."""
    return replace(seen, asleep=False)


@_in("up", "stopping")
def told(seen: Observed, change: Callable[[Live], Live]) -> Observed:
    """It has told something; `change` makes what is known of what is known by now, so that nothing is lost."""
    assert seen.live is not None
    live = change(seen.live)
    return replace(seen, live=live, answered=seen.answered or live.agent, begun=None if live.ready else seen.begun)


@_in("up")
def froze(seen: Observed) -> Observed:
    """Its programs stand still."""
    return replace(seen, frozen=True)


@_in("up", "stopping")
def thawed(seen: Observed) -> Observed:
    """They go on."""
    return replace(seen, frozen=False)


@_in("up", "stopping")
def stops(seen: Observed, why: Reason) -> Observed:
    """Somebody has begun to stop it."""
    return replace(seen, busy="stopping", ending=why)


@_in("up", "stopping")
def ended(seen: Observed, reason: str | None) -> Observed:
    """Its process has gone, and what it had on the host; `reason` where that was not wanted."""
    return replace(seen, live=None, reason=reason, frozen=False)


@_in("stopping", "ended")
def was_stopped(seen: Observed) -> Observed:
    """Whoever stopped it has finished, or given up."""
    return replace(seen, busy=None)


@_in("down", "starting", "up", "stopping", "ended")
def went(seen: Observed) -> Observed:
    """Its files and its record have gone."""
    return replace(seen, gone=True)
