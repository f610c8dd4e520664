"""A step: a name, whether it is done already, and what does it. `make up` is a list of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from gaoler.errors import GaolerError
from gaoler.progress import Display


@dataclass(frozen=True, slots=True)
class Step:
    """`done` says what is there already in a few words, or nothing; `action` says what it made."""

    name: str
    done: Callable[[], str]
    action: Callable[[], str]


def run(steps: Sequence[Step | tuple[Step, ...]], display: Display, first: int = 1, total: int | None = None) -> None:
    """Runs what is not done yet, in order, and side by side what is in one tuple. An error gets the step's name in front.

    Of steps side by side the others are given up at their next report when one fails; its error is the one that is raised.
    """
    groups = [(entry,) if isinstance(entry, Step) else entry for entry in steps]
    total = total or sum(map(len, groups))
    for group in groups:
        wanted = []
        for number, step in enumerate(group, first):
            found = step.done()
            if found:
                display.say(f"[{number}/{total}] {step.name}: {found}")
            else:
                display.say(f"[{number}/{total}] {step.name} ...")
                wanted.append((f"[{number}/{total}]", step))
        first += len(group)
        if len(wanted) > 1:
            _run_beside(wanted, display)
        for place, step in wanted[:1] if len(wanted) == 1 else ():
            _run(place, step, display)


def _run_beside(wanted: list[tuple[str, Step]], display: Display) -> None:
    with ThreadPoolExecutor(len(wanted)) as pool:
        running = [pool.submit(_run, place, step, display) for place, step in wanted]
        try:
            ended, _ = wait(running, return_when=FIRST_EXCEPTION)
            for one in ended:
                one.result()
        except BaseException:
            display.give_up()
            raise


def _run(place: str, step: Step, display: Display) -> None:
    begin = time.monotonic()
    try:
        made = step.action()
    except GaolerError as error:
        raise type(error)(f"{step.name}: {error.what}", error.why, error.hint, error.code) from error
    display.say(f"{place} {step.name}: {made} ({time.monotonic() - begin:.1f} s)")
