"""How far a long step is: what the steps report, and how it is shown."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from gaoler.errors import GaolerError

#: Between two lines in a log: often enough to see life, seldom enough to be read.
LOG_INTERVAL = 20.0
#: Between two redraws of the live line on a terminal.
TERMINAL_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units (`bytes`, `percent`, `objects`, `packages`) of a step; a total that nobody knows is None.

    Without a unit the step has begun, and that is all.
    """

    step: str
    done: int = 0
    total: int | None = None
    unit: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self.step}{self._amount()}" + (f": {self.note}" if self.note else "")

    def _amount(self) -> str:
        if not self.unit:
            return ""
        if self.unit == "percent":
            return f" {self.done} %"
        show = megabytes if self.unit == "bytes" else str
        unit = "" if self.unit == "bytes" else f" {self.unit}"
        if not self.total:
            return f" {show(self.done)}{unit}"
        return f" {show(self.done)} of {show(self.total)}{unit} ({min(100, 100 * self.done // self.total)} %)"


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """For callers that watch nothing."""


def megabytes(count: int) -> str:
    """Bytes as people read them, in units of 10^6."""
    return f"{count / 1e6:.1f} MB"


class GivenUp(GaolerError):
    """What runs beside has failed."""


@dataclass(slots=True)
class _Lane:
    """What one thread has told."""

    progress: Progress
    ended: bool = False
    shown_at: float = 0.0


class Display:
    """Shows progress: a live line on a terminal, occasional lines in a log. Steps that run side by side, each in a thread of
    its own, share the line.
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[int, _Lane] = {}
        self._line_open = False
        self._given_up = False

    def say(self, text: str) -> None:
        """A lasting line, which ends what this thread has reported."""
        with self._lock:
            self._clear()
            self._lanes.pop(threading.get_ident(), None)
            print(text, file=self._out, flush=True)

    def give_up(self) -> None:
        """Have whoever reports next end: it raises GivenUp there."""
        self._given_up = True

    def report(self, progress: Progress) -> None:
        """Called as often as the step likes; drawn as often as an eye follows."""
        if self._given_up:
            raise GivenUp(f"{progress.step}: given up", "what ran beside it has failed")
        with self._lock:
            now = self._clock()
            lane = self._lanes.get(threading.get_ident())
            is_new = lane is None or lane.progress.step != progress.step
            lane = self._lanes.setdefault(threading.get_ident(), _Lane(progress))
            was_ended = lane.ended and not is_new
            lane.progress = progress
            lane.ended = progress.total is not None and progress.done >= progress.total
            is_end = lane.ended and not was_ended
            interval = TERMINAL_INTERVAL if self._live else LOG_INTERVAL
            if not (is_new or is_end) and now - lane.shown_at < interval:
                return
            lane.shown_at = now
            if self._live:
                self._draw()
            else:
                print(f"    {progress}", file=self._out, flush=True)

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        share = width // len(self._lanes) - 4
        told = "  | ".join(
            str(lane.progress)[:share].ljust(share if len(self._lanes) > 1 else 0) for lane in self._lanes.values()
        )
        print(f"\r\x1b[K    {told}"[: width + 4], end="", file=self._out, flush=True)
        self._line_open = True

    def _clear(self) -> None:
        if self._line_open:
            print("\r\x1b[K", end="", file=self._out)
            self._line_open = False
