"""Who asks for what is being done, for logs: known wherever a request leads to, without each function being told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Asker:
    """Somebody at the socket."""

    login: str
    uid: int
    pid: int

    def __str__(self) -> str:
        return self.login


_now: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker | None:
    """Whoever asked; None for what happens by itself: a time that is over, a machine that ends."""
    return _now.get()


@contextmanager
def asked_by(one: Asker | None) -> Iterator[None]:
    token = _now.set(one)
    try:
        yield
    finally:
        _now.reset(token)
