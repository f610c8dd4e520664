"""Work in a thread of its own; where the host gives no further one, after other such work in one that was made before.

What is begun so must be done: clearing up after a machine, for instance. Running out of threads delays it, and loses nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from gaoler.errors import GaolerError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_left: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
_lock = threading.Lock()
_spare: threading.Thread | None = None


def reserve() -> None:
    """Make the thread for when there is no other. Raises RuntimeError where there is no first one, either."""
    global _spare  # noqa: PLW0603 - one for the process
    with _lock:
        if _spare is None:
            spare = threading.Thread(target=_work, name="spare", daemon=True)
            spare.start()
            _spare = spare


def begin(work: Callable[[], object], name: str) -> None:
    """Begin work that raises nothing, in the background."""
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        _log.error("no thread for %s, it has to wait: %s", name, error)
        _left.put(work)


def later(work: Callable[[], None]) -> None:
    """Begin work that nobody waits for: clearing up, for one, takes milliseconds, and locks. What it raises is logged."""

    def guarded() -> None:
        try:
            work()
        except (GaolerError, OSError) as error:
            _log.error("%s", error)

    begin(guarded, "clear-up")


def each(work: Callable[[T], bool], them: Iterable[T], name: str, *, at_once: int, patience: float) -> int:
    """Do it for each of them, so many at once; returns how many of them it was good for.

    Each has a thread of its own. One that takes more than `patience` seconds goes on, and no other one waits for it any more.
    """
    under_way: dict[Future[bool], float] = {}
    good = 0

    def wait_for(room: int) -> None:
        nonlocal good
        while len(under_way) > room:
            wait(under_way, max(0.0, min(under_way.values()) - time.monotonic()), FIRST_COMPLETED)
            for future, until in list(under_way.items()):
                if future.done():
                    good += future.result()
                elif time.monotonic() < until:
                    continue
                del under_way[future]

    for one in them:
        wait_for(at_once - 1)
        future: Future[bool] = Future()
        under_way[future] = time.monotonic() + patience
        begin(partial(_finish, future, partial(work, one)), name)
    wait_for(0)
    return good


def _finish(future: Future[bool], work: Callable[[], bool]) -> None:
    good = False
    try:
        good = work()
    except Exception:
        _log.exception("in the background")
    finally:
        future.set_result(good)


@contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Do it in a thread, which has ended when this has."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def _work() -> None:
    while True:
        work = _left.get()
        try:
            work()
        except Exception:
            _log.exception("in the background")
