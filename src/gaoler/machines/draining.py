"""The host is to go down, or be upgraded: no machine starts any more, who works in one is told, and in the end all sleep or stop.

A drain is noted in the runtime directory: it outlives the daemon, whose upgrade it may be for, and ends with the next start of
the host.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from gaoler import background, files
from gaoler.errors import GaolerError, LimitReached
from gaoler.host.clock import since_boot
from gaoler.machines import warning
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Busy, Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import Registry
from gaoler.machines.running import Running
from gaoler.machines.sleeping import Sleeping
from gaoler.machines.spares import Spares
from gaoler.units import show_duration

_AT_ONCE = 4
"""Machines that are put to sleep, or stopped, at once: each writes what it has to the same disk."""
_PATIENCE = 60.0
"""Seconds after which one that takes longer, a home that hangs, say, keeps no other one waiting."""
_LEAD = 300.0
"""Seconds before the end that everybody is told once more."""
_AGAIN = 30.0
"""Seconds until those that could not be stopped are tried again."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drain:
    end: float
    """When nothing is to run any more, in seconds since the host's start."""
    who: str
    why: str
    stop: bool
    """Whether machines are stopped, for a host that comes back with another kernel, say; else they are put to sleep."""

    @property
    def left(self) -> float:
        """Seconds until the end; 0 when that is over."""
        return max(0.0, self.end - since_boot())

    def __str__(self) -> str:
        return f"{self.who} drains this host{f' ({self.why})' if self.why else ''}"


class Draining:
    """Every method may be called from any thread."""

    def __init__(
        self,
        place: Path,
        registry: Registry,
        jailer: Jailer,
        running: Running,
        sleeping: Sleeping,
        spares: Spares,
        monitor: Monitor,
        back: Callable[[], None],
    ) -> None:
        """`place` is a file for the drain that goes on; `back` is called when one ends."""
        self._place = place
        self._registry = registry
        self._jailer = jailer
        self._running = running
        self._sleeping = sleeping
        self._spares = spares
        self._monitor = monitor
        self._back = back
        self.now: Drain | None = None
        running.allotment.may_start = self._may_start

    def resume(self, *, booted: bool) -> None:
        """Go on with what an earlier daemon was told, unless the host has `booted` since."""
        if booted:
            self._place.unlink(missing_ok=True)
            return
        try:
            self.now = Drain(**json.loads(self._place.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError) as error:
            _log.error("%s can't be read, this host is not drained: %s", self._place, error)
            return
        _log.warning("%s", self.now)
        self._set_clocks(self.now)

    def begin(self, drain: Drain) -> None:
        """From now on nothing starts; in the place of one that goes on. Raises Failed."""
        files.write(self._place, json.dumps(asdict(drain)).encode(), durable=False)
        self.now = drain
        _log.warning("%s: nothing starts any more, and nothing runs from %s on", drain, _clock(drain.left))
        self._tell_all(drain)
        self._set_clocks(drain)
        self._spares.drop(lambda _: True)  # last, since one of them may take long

    def end(self) -> None:
        """Machines start again; those that start with the host do so now."""
        self._place.unlink(missing_ok=True)
        if self.now is not None:
            _log.warning("this host is not drained any more")
            self.now = None
            self._back()

    def running(self) -> list[Machine]:
        """What runs still."""
        return [machine for machine in self._registry.all() if machine.observed.phase != "down"]

    def _may_start(self) -> None:
        drain = self.now
        if drain is not None:
            when = f"at {_clock(drain.left)}" if drain.left else "by now"
            ends = "nothing runs here" if drain.stop else "all that runs sleeps"
            raise LimitReached("no machine starts on this host now", f"{drain}: {ends} {when}", "gaol ls", limit="drain")

    def _set_clocks(self, drain: Drain) -> None:
        left = drain.left
        if left > 2 * _LEAD:
            self._monitor.after(left - _LEAD, lambda: self._if_still(drain, lambda: self._tell_all(drain)))
        self._monitor.after(left, lambda: self._if_still(drain, lambda: self._put_down(drain)))

    def _if_still(self, drain: Drain, work: Callable[[], None]) -> None:
        if self.now is drain:
            background.begin(work, "drain")

    def _tell_all(self, drain: Drain) -> None:
        """Whoever works in a machine; never fails."""
        for machine in self.running():
            if machine.live and machine.live.given:
                background.begin(lambda machine=machine: self._tell(machine, drain), "tell")  # type: ignore[misc]

    def _tell(self, machine: Machine, drain: Drain) -> None:
        name, left = machine.record.name, drain.left
        does = "is stopped" if drain.stop or machine.record.ephemeral else "is put to sleep"
        kept = "Its files stay." if does == "is stopped" else "What runs in it goes on when it is used afterwards."
        soon = f"in {show_duration(left)}, at {_clock(left)}" if left >= 1 else "now"
        warning.tell(self._jailer, machine, f"{name} {does} {soon}", f"{drain}. {kept}")

    def _put_down(self, drain: Drain) -> None:
        there = self.running()
        good = background.each(partial(self._ended, drain), there, "drain", at_once=_AT_ONCE, patience=_PATIENCE)
        if good == len(there) and not self.running():
            _log.warning("%s: nothing runs any more", drain)
        else:
            self._monitor.after(_AGAIN, lambda: self._if_still(drain, lambda: self._put_down(drain)))

    def _ended(self, drain: Drain, machine: Machine) -> bool:
        if self.now is not drain:
            return True
        try:
            if drain.stop or not self._slept(machine):
                self._running.stop(machine, reason="drained")
        except (GaolerError, OSError) as error:
            _log.error("%s is not stopped: %s", machine.record.label, error)
            return False
        return True

    def _slept(self, machine: Machine) -> bool:
        if machine.record.ephemeral:
            return False
        try:
            self._sleeping.sleep(machine)
        except Busy:
            raise  # it may be falling asleep: stopped then, it would lose what it had in memory
        except GaolerError as error:
            _log.info("%s can't sleep, and is stopped: %s", machine.record.label, error)
            return False
        return True


def _clock(left: float) -> str:
    """The time of day in so many seconds, with the date where it is another one."""
    there, now = time.localtime(time.time() + left), time.localtime()
    return time.strftime("%H:%M" if there[:3] == now[:3] else "%H:%M on %d %b %Y", there)
