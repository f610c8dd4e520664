"""What the parts of the service share: who is logged in, the helper, and the end of a login everywhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from gaoler.web.channel import Channel, Gone
from gaoler.web.sessions import Session, Sessions
from gaoler.web.settings import Settings
from gaoler.web.throttle import Throttle

LOOK = 20.0
"""Seconds between looks for sessions whose time is over."""
LOGGED_OUT = 4401
"""The code that a WebSocket is closed with at the end of a login; those from 4000 on are an application's own."""
_log = logging.getLogger(__name__)


class Hub:
    def __init__(self, settings: Settings, helper: Channel) -> None:
        self.settings = settings
        self.helper = helper
        self.sessions = Sessions(settings.idle, settings.lifetime)
        self.throttle = Throttle()
        self.on_end: list[Callable[[Session], None]] = []
        self._closing: set[asyncio.Task[Any]] = set()

    def begin(self, user: str, uid: int, name: str, channel: Channel) -> str:
        """The cookie of a new session."""
        token, session, ended = self.sessions.begin(user, uid, name, channel)
        for other in ended:
            self.end(other)
        self.keep(f"session:{session.key}", session.note(), [channel.fileno()])
        return token

    def end(self, session: Session) -> None:
        """A session, with all that is open for it."""
        self.sessions.end(session)
        self.drop(f"session:{session.key}")
        for sock in list(session.sockets):
            task = asyncio.ensure_future(sock.close(code=LOGGED_OUT, message=b"logged out"))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for tell in self.on_end:
            tell(session)

    def keep(self, name: str, note: dict[str, Any], descriptors: list[int]) -> None:
        """Over a restart of this process; without descriptors, a new note."""
        self._tell({"keep": name, "note": note}, descriptors)

    def drop(self, name: str) -> None:
        self._tell({"drop": name}, [])

    def _tell(self, message: dict[str, Any], descriptors: list[int]) -> None:
        try:
            self.helper.send(message, descriptors)
        except Gone:
            _log.warning("the helper has gone")  # and so shall we, as soon as that is seen

    async def watch(self) -> None:
        """End what is over, and have kept what restarts shall know of the others."""
        noted: dict[str, float] = {}
        while True:
            await asyncio.sleep(LOOK)
            for session in self.sessions.over():
                _log.info("the session of %s is over", session.user)
                self.end(session)
            for session in self.sessions.all():
                if noted.get(session.key) != session.used:
                    noted[session.key] = session.used
                    self.keep(f"session:{session.key}", session.note(), [])
