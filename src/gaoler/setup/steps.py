"""A step: a name, whether it is done already, and what does it. `make up` is a list of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gaoler.errors import GaolerError
from gaoler.progress import Display


@dataclass(frozen=True, slots=True)
class Step:
    """`done` says what is there already in a few words, or nothing; `action` says what it made."""

    name: str
    done: Callable[[], str]
    action: Callable[[], str]


def run(steps: Sequence[Step], display: Display, first: int = 1, total: int | None = None) -> None:
    """Runs what is not done yet, in order. An error gets the step's name in front."""
    total = total or len(steps)
    for number, step in enumerate(steps, first):
        found = step.done()
        if found:
            display.say(f"[{number}/{total}] {step.name}: {found}")
            continue
        display.say(f"[{number}/{total}] {step.name} ...")
        begin = time.monotonic()
        try:
            made = step.action()
        except GaolerError as error:
            raise type(error)(f"{step.name}: {error.what}", error.why, error.hint, error.code) from error
        display.say(f"[{number}/{total}] {step.name}: {made} ({time.monotonic() - begin:.1f} s)")
