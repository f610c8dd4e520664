"""What is going on with one's machines, pushed to every page that is open, with their last minutes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from aiohttp import web

from gaoler.client import Gaoler
from gaoler.errors import GaolerError
from gaoler.web.calls import Calls
from gaoler.web.guard import SESSION, details
from gaoler.web.hub import Hub
from gaoler.web.sessions import Session
from gaoler.web.speaking import connect, in_turn

INTERVAL = 2.0
"""Seconds between looks while somebody watches."""
SAMPLES = 120
"""Remembered of each machine: four minutes."""
LINGER = 300.0
"""Seconds that one goes on looking after the last page has gone, so that it comes back to a drawn line."""


class Feed:
    """Of one user, for all of their pages: one look at the daemon serves them all."""

    def __init__(self, uid: int, hub: Hub, calls: Calls) -> None:
        self.uid = uid
        self.hub = hub
        self.calls = calls
        self.pages: set[web.WebSocketResponse] = set()
        self.history: dict[str, deque[tuple[float, float]]] = {}
        """By machine: share of one processor, bytes of memory."""
        self.last: dict[str, Any] = {}
        self.look_now = asyncio.Event()
        self._before: dict[str, tuple[float, float]] = {}
        self._gaoler: Gaoler | None = None

    async def run(self) -> None:
        seen = time.monotonic()
        try:
            while time.monotonic() - seen < LINGER:
                if self.pages:
                    seen = time.monotonic()
                sessions = self.hub.sessions.of(self.uid)
                if not sessions:
                    return
                self.look_now.clear()
                await self._tell(await self._look(sessions[0]))
                try:
                    await asyncio.wait_for(self.look_now.wait(), INTERVAL)
                except TimeoutError:
                    pass
        finally:
            if self._gaoler is not None:
                self._gaoler.connection.close()

    async def _look(self, session: Session) -> dict[str, Any]:
        def work() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            gaoler = self._gaoler = self._gaoler or connect(session)
            return gaoler.machines(shared=True), gaoler.call("Top")["usage"]

        try:
            machines, usage = await in_turn(session, work)
        except GaolerError as error:
            if self._gaoler is not None:
                self._gaoler.connection.close()
            self._gaoler = None
            return {"error": details(error)}
        now = time.monotonic()
        for row in usage:
            name, spent = row["name"], float(row["cpu_seconds"])
            then, before = self._before.get(name, (now - float(row["uptime"]), 0.0))
            share = max(0.0, spent - before) / max(0.1, now - then)
            self._before[name] = (now, spent)
            self.history.setdefault(name, deque(maxlen=SAMPLES)).append((round(share, 3), int(row["memory"])))
        running = {row["name"] for row in usage}
        for name in self.history.keys() - running:
            del self.history[name]
            self._before.pop(name, None)
        doomed = [name for uid, name in self.calls.doomed if uid == self.uid]
        return {"machines": [_told(machine, doomed) for machine in machines]}

    async def _tell(self, state: dict[str, Any]) -> None:
        self.last = state
        message = {**state, "samples": {name: points[-1] for name, points in self.history.items()}}
        for page in list(self.pages):
            await self.send(page, message)

    async def add(self, page: web.WebSocketResponse) -> None:
        self.pages.add(page)
        if self.last:
            await self.send(page, {**self.last, "history": {name: list(points) for name, points in self.history.items()}})
        self.look_now.set()

    async def send(self, page: web.WebSocketResponse, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(INTERVAL):  # one that reads nothing keeps nobody else waiting
                await page.send_json(message)
        except (ConnectionError, RuntimeError, TimeoutError):
            self.pages.discard(page)


def _told(machine: dict[str, Any], doomed: list[str]) -> dict[str, Any]:
    """A machine by the name that the page asks for it with: OWNER/NAME where somebody shares it with its reader."""
    if machine["access"]:
        return machine | {"name": f"{machine['owner']}/{machine['name']}", "doomed": False}
    return machine | {"doomed": machine["name"] in doomed}


class Live:
    def __init__(self, hub: Hub, calls: Calls) -> None:
        self.hub = hub
        self.calls = calls
        self._feeds: dict[int, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/live", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        session = request[SESSION]
        sock = web.WebSocketResponse(heartbeat=25, max_msg_size=4096)
        await sock.prepare(request)
        session.sockets.add(sock)
        feed = self._feed(session.uid)
        try:
            await feed.add(sock)
            async for _ in sock:  # whatever it says: look now
                feed.look_now.set()
        finally:
            feed.pages.discard(sock)
            session.sockets.discard(sock)
        return sock

    async def tell(self, uid: int, message: dict[str, Any]) -> None:
        """What has become of something that a page of this user asked for."""
        if feed := self._feeds.get(uid):
            for page in list(feed.pages):
                await feed.send(page, message)

    def _feed(self, uid: int) -> Feed:
        feed = self._feeds.get(uid)
        if feed is None:
            feed = self._feeds[uid] = Feed(uid, self.hub, self.calls)
            task = asyncio.ensure_future(self._run(feed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return feed

    async def _run(self, feed: Feed) -> None:
        try:
            await feed.run()
        finally:
            self._feeds.pop(feed.uid, None)
