"""Who is logged in: by a cookie that is kept here only as its hash, for a time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from gaoler.web.channel import Channel

SESSIONS_OF_ONE = 16
"""Of one user at once; the one that was used longest ago ends for a new one."""


@dataclass
class Session:
    """One login of one browser. Times are seconds since the epoch: they outlive the process."""

    key: str
    """The cookie's hash."""
    user: str
    uid: int
    name: str
    """Of the person, perhaps empty."""
    channel: Channel
    begun: float
    used: float
    sockets: set[Any] = field(default_factory=set)
    """Open WebSockets, to be closed when it ends."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held over a question to the channel and its answer."""

    def note(self) -> dict[str, Any]:
        return {"user": self.user, "uid": self.uid, "name": self.name, "begun": self.begun, "used": self.used}


class Sessions:
    """`idle` and `lifetime` are seconds without use, and in all."""

    def __init__(self, idle: float, lifetime: float) -> None:
        self.idle = idle
        self.lifetime = lifetime
        self._sessions: dict[str, Session] = {}

    def begin(self, user: str, uid: int, name: str, channel: Channel) -> tuple[str, Session, list[Session]]:
        """The cookie's text, the session, and those that have ended for it."""
        token = secrets.token_urlsafe(32)
        now = time.time()
        session = Session(key_of(token), user, uid, name, channel, now, now)
        others = sorted(self.of(uid), key=lambda other: other.used)
        ended = others[: max(0, len(others) + 1 - SESSIONS_OF_ONE)]
        for other in ended:
            self.end(other)
        self._sessions[session.key] = session
        return token, session, ended

    def take_over(self, key: str, note: dict[str, Any], channel: Channel) -> None:
        """A session from before a restart."""
        self._sessions[key] = Session(
            key, note["user"], note["uid"], note["name"], channel, float(note["begun"]), float(note["used"])
        )

    def find(self, token: str) -> Session | None:
        """The session of a cookie, used now; None where there is none any more."""
        session = self._sessions.get(key_of(token))
        if session is None or self.is_over(session):
            return None
        session.used = time.time()
        return session

    def is_over(self, session: Session) -> bool:
        """Whether its time is over. One with an open page is used."""
        now = time.time()
        idle = 0.0 if session.sockets else now - session.used
        return session.key not in self._sessions or idle > self.idle or now - session.begun > self.lifetime

    def end(self, session: Session) -> None:
        """From now on its cookie is worth nothing, and nobody speaks for its user by it."""
        if self._sessions.pop(session.key, None) is not None:
            session.channel.close()

    def over(self) -> list[Session]:
        """Those whose time is over, still to be ended."""
        return [session for session in self._sessions.values() if self.is_over(session)]

    def all(self) -> list[Session]:
        return list(self._sessions.values())

    def of(self, uid: int) -> list[Session]:
        return [session for session in self._sessions.values() if session.uid == uid]


def key_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def csrf_of(token: str) -> str:
    """What a page of ours says with each request that changes something: no other site can know it."""
    return hmac.new(token.encode(errors="replace"), b"gaoler csrf", hashlib.sha256).hexdigest()
