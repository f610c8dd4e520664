"""What answers a method, with the right to call it beside it.

A decorator per right: it takes entries of the wire's table that have this right, and asks `Rights` before the handler gets
what the right gives: the machine, the owner, the list. So no handler looks for a machine by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gaoler.configuration.account import Account
from gaoler.daemon.caller import Caller
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.parts import Parts
from gaoler.daemon.rights import Admitted
from gaoler.machines.machine import Machine
from gaoler.wire import methods, replies, requests

Q = TypeVar("Q", bound=requests.Request)
R = TypeVar("R", bound=replies.Reply)
M = TypeVar("M", bound=requests.OfMachine)
S = TypeVar("S", bound=requests.OfSome)
B = TypeVar("B", bound=requests.OfBase)
G = TypeVar("G")


@dataclass(frozen=True)
class Handler:
    """Answers one method; `serve` raises GaolerError."""

    method: methods.Method[Any, Any]
    serve: Callable[[Parts, Any, Conversation], replies.Reply]


def _given(
    method: methods.Method[Q, R], right: Callable[[Parts, Q, Caller], G]
) -> Callable[[Callable[[Parts, Q, Conversation, G], R]], Handler]:
    """The handler gets what the right gives."""

    def made(serve: Callable[[Parts, Q, Conversation, G], R]) -> Handler:
        def given(parts: Parts, asked: Q, talk: Conversation) -> R:
            granted = right(parts, asked, talk.caller)
            talk.about = _about(granted, asked) or talk.about
            return serve(parts, asked, talk, granted)

        return Handler(method, given)

    return made


def _about(granted: object, asked: requests.Request) -> str:
    """What a request is about, for logs."""
    if isinstance(granted, Admitted):
        granted = granted.machine
    if isinstance(granted, Machine):
        return granted.record.label
    if isinstance(granted, Account):
        return f"{granted.name}/{getattr(asked, 'name', None) or ''}"
    return ""


def _allowed(
    method: methods.Method[Q, R], right: Callable[[Parts, Q, Caller], None]
) -> Callable[[Callable[[Parts, Q, Conversation], R]], Handler]:
    """The handler is called where the right does not raise."""

    def made(serve: Callable[[Parts, Q, Conversation], R]) -> Handler:
        def allowed(parts: Parts, asked: Q, talk: Conversation) -> R:
            right(parts, asked, talk.caller)
            return serve(parts, asked, talk)

        return Handler(method, allowed)

    return made


def anybodys(method: methods.Anybodys[Q, R]) -> Callable[[Callable[[Parts, Q, Conversation], R]], Handler]:
    return lambda serve: Handler(method, serve)


def owners(method: methods.Owners[M, R]) -> Callable[[Callable[[Parts, M, Conversation, Account], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.owner(caller, asked.which))


def of_machines(method: methods.OfMachines[M, R]) -> Callable[[Callable[[Parts, M, Conversation, Machine], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.machine(caller, asked.which))


def in_machines(method: methods.InMachines[M, R]) -> Callable[[Callable[[Parts, M, Conversation, Machine], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.inside(caller, asked.which, method.to))


def seen(method: methods.Seen[M, R]) -> Callable[[Callable[[Parts, M, Conversation, Admitted], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.seen(caller, asked.which))


def entered(method: methods.Entered[M, R]) -> Callable[[Callable[[Parts, M, Conversation, Admitted], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.entered(caller, asked.which, method.to))


def catalogues(method: methods.Catalogues[S, R]) -> Callable[[Callable[[Parts, S, Conversation, list[Admitted]], R]], Handler]:
    def right(parts: Parts, asked: S, caller: Caller) -> list[Admitted]:
        own = [Admitted(machine) for machine in parts.rights.some(caller, asked.all, method.to)]
        return own if asked.all else [*own, *parts.rights.shared(caller)]

    return _given(method, right)


def of_anybodys_machines(
    method: methods.OthersMachines[M, R],
) -> Callable[[Callable[[Parts, M, Conversation, Machine], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.anybodys(caller, asked.which, method.to))


def listings(method: methods.Listings[S, R]) -> Callable[[Callable[[Parts, S, Conversation, list[Machine]], R]], Handler]:
    return _given(method, lambda parts, asked, caller: parts.rights.some(caller, asked.all, method.to))


def of_bases(method: methods.OfBases[B, R]) -> Callable[[Callable[[Parts, B, Conversation], R]], Handler]:
    return _allowed(method, lambda parts, asked, caller: parts.rights.base(caller, asked.name, method.to))


def roots(method: methods.Roots[Q, R]) -> Callable[[Callable[[Parts, Q, Conversation], R]], Handler]:
    return _allowed(method, lambda parts, _, caller: parts.rights.root(caller, method.to))


def roots_of_machines(
    method: methods.RootsOfMachines[M, R],
) -> Callable[[Callable[[Parts, M, Conversation, Machine], R]], Handler]:
    def right(parts: Parts, asked: M, caller: Caller) -> Machine:
        parts.rights.root(caller, method.to)
        return parts.rights.machine(caller, asked.which)

    return _given(method, right)


def administrators(method: methods.Administrators[Q, R]) -> Callable[[Callable[[Parts, Q, Conversation], R]], Handler]:
    return _allowed(method, lambda parts, _, caller: parts.rights.administrator(caller, method.to))
