"""What is told of requests: an entry in the audit for each that does something, and a line in the log where nothing else does."""

from __future__ import annotations

import logging
from typing import Any

from gaoler import logs
from gaoler.daemon.audit import Audit
from gaoler.errors import GaolerError, LimitReached, NotAllowed
from gaoler.machines.asking import Asker
from gaoler.wire.requests import Request

LOOKS = frozenset(
    {"List", "Inspect", "Top", "Wait", "SnapshotList", "BaseList", "BaseInspect", "KernelList", "StoreInspect", "Metrics",
     "Doctor", "DrainInspect"}
)  # fmt: skip
"""What changes nothing, and goes into no machine."""
EVENTS = frozenset({"Run", "Rescue", "Up", "Exec", "Down", "Sleep", "Remove", "Freeze", "Thaw", "Log", "Diff"})
"""What is told by what happens to the machine, or is too common for a line."""
_UNTOLD = {"name", "owner", "command", "spec", "record", "machines", "trees", "kept", "key"}
"""Of a request: what is told otherwise, is large, or is people's own."""
_log = logging.getLogger("gaoler.requests")


class Journal:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def answered(
        self, who: Asker, method: str, about: str, request: Request | None, refused: GaolerError | None, seconds: float
    ) -> None:
        """`about` is whose machine, or what else it was about."""
        self._tell(who, method, about, request, refused, seconds)
        if method in LOOKS:
            return
        entry: dict[str, Any] = {"who": who.login, "uid": who.uid, "pid": who.pid, "did": method}
        if about:
            entry["machine"] = about
        if details := _details(request):
            entry["with"] = details
        entry["seconds"] = round(seconds, 3)
        entry["code"] = refused.code if refused else 0
        if refused:
            entry["error"] = str(refused)[:400]
        self._audit.note(**entry)

    def _tell(
        self, who: Asker, method: str, about: str, request: Request | None, refused: GaolerError | None, seconds: float
    ) -> None:
        what, why = f"{logs.printable(about)}: " if about else "", logs.printable(refused)
        if isinstance(refused, LimitReached):
            _log.warning("%slimit of %s: %s, asked for %s: %s", what, refused.limit or "gaoler", who, method, why)
        elif isinstance(refused, NotAllowed):
            _log.warning("%s%s, asked for %s, may not: %s", what, who, method, why)
        elif refused is None and is_login(request):
            _log.info("%slogin as %s, asked by %s", what, logs.printable(_user(request)), who)
        elif refused is None and method not in LOOKS | EVENTS:
            _log.info("%s%s asked by %s, in %.2f s", what, method, who, seconds)


def is_login(request: Request | None) -> bool:
    """Whether somebody goes into a machine, rather than runs a program there; ssh asks for what it needs beforehand."""
    command = getattr(request, "command", None)
    return command is not None and type(request).__name__ != "Run" and (command.login or not command.arguments)


def _user(request: Request | None) -> str:
    return str(getattr(getattr(request, "command", None), "user", ""))


def _details(request: Request | None) -> dict[str, Any]:
    if request is None:
        return {}
    told = request.model_dump(exclude_defaults=True, exclude_none=True, exclude=_UNTOLD)
    if hasattr(request, "command"):
        told |= {"user": _user(request), "login": is_login(request)}
    return told
