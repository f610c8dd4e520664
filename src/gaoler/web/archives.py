"""Machines as files: what `gaol export` writes comes down, and what `gaol import` takes goes up, as streams.

A browser saves what comes down by itself, so the page that asked hears of its end over its live connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gaoler.client import Gaoler
from gaoler.errors import GaolerError, LimitReached, Unreachable, Usage
from gaoler.web.guard import SESSION, details, dress, while_asked
from gaoler.web.live import Live
from gaoler.web.sessions import Session
from gaoler.web.speaking import clean, connect, in_turn

PIECE = 256 * 1024
TOGETHER = 2
"""Of a user's at once: each is a program that packs, and the whole of a machine's files."""


class Archives:
    def __init__(self, live: Live) -> None:
        self.live = live
        self._busy: Counter[int] = Counter()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/export", self.export, allow_head=False), web.put("/api/import", self.bring)]

    async def export(self, request: web.Request) -> web.StreamResponse:
        session, name = request[SESSION], request.query.get("name", "")
        try:
            response, report = await self._export(request, session, name)
        except GaolerError as error:
            await self.live.tell(session.uid, {"failed": details(error)})
            if request.headers.get("Sec-Fetch-Dest") != "document":
                raise
            return web.Response(status=204)  # no words for a browser to save as the archive: the page has them
        await self.live.tell(session.uid, {"exported": {"name": name} | {key: report[key] for key in ("left_out", "without")}})
        return response

    async def _export(self, request: web.Request, session: Session, name: str) -> tuple[web.StreamResponse, dict[str, Any]]:
        file = f"{name.rpartition('/')[2]}.tar.zst"
        response = web.StreamResponse(headers={"Content-Type": "application/zstd"})
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file, safe='')}"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        dress(request, response)
        async with self._stream(session, "Export", name) as stream, while_asked(request):
            while piece := await stream.read():
                if not response.prepared:
                    await response.prepare(request)
                await response.write(piece)
            try:
                report = await stream.report()
            except GaolerError as error:
                if not response.prepared:
                    raise
                await self.live.tell(session.uid, {"failed": details(error)})
                raise ConnectionResetError from None  # a half of an archive must not look like one
            await response.write_eof()
        return response, report

    async def bring(self, request: web.Request) -> web.Response:
        session, name = request[SESSION], request.query.get("name") or None
        if request.content_length is None:
            raise Usage("that file has no size", "the browser does not say how large it is", "gaol import FILE")
        async with self._stream(session, "Import", name) as stream, while_asked(request):
            async for data in request.content.iter_chunked(PIECE):
                if not await stream.write(data):
                    break  # the daemon says why
            stream.end()
            report = await stream.report()
        return web.json_response({"machine": report["machine"], "notes": [clean(note) for note in report["notes"]]})

    @asynccontextmanager
    async def _stream(self, session: Session, method: str, name: str | None) -> AsyncIterator[_Stream]:
        if self._busy[session.uid] >= TOGETHER:
            why = f"{TOGETHER} at once is the page's limit"
            raise LimitReached("you are exporting and importing too much at once", why, "gaol export --help")
        self._busy[session.uid] += 1
        try:
            stream = await _Stream.open(session, method, name)
            try:
                yield stream
            finally:
                stream.close()
        finally:
            self._busy[session.uid] -= 1


class _Stream:
    """A request whose first reply has one end of a pipe."""

    def __init__(self, session: Session, gaoler: Gaoler, replies: Iterator[dict[str, Any]], descriptor: int) -> None:
        self._gaoler = gaoler
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        # From now on: what comes before the last reply must not fill the socket.
        self._last = asyncio.ensure_future(in_turn(session, lambda: list(deque(replies, maxlen=1))))
        self._last.add_done_callback(self._over)

    @classmethod
    async def open(cls, session: Session, method: str, name: str | None) -> _Stream:
        """Raises GaolerError."""

        def work() -> tuple[Gaoler, Iterator[dict[str, Any]], int]:
            gaoler = connect(session)
            replies = gaoler.replies(method, {"name": name})
            try:
                return gaoler, replies, next(one for _ in replies for one in gaoler.descriptors())
            except StopIteration:
                raise Unreachable("the gaoler daemon answers nonsense", "an archive without a stream", "gaol doctor") from None
            except GaolerError:
                gaoler.connection.close()
                raise

        return cls(session, *await in_turn(session, work))

    async def read(self) -> bytes:
        """What comes next; nothing at the end."""
        while True:
            try:
                return os.read(self._descriptor, PIECE)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)

    async def write(self, data: bytes) -> bool:
        """False when nobody reads it any more."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)
            except BrokenPipeError:
                return False
        return True

    async def _ready(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        ready = asyncio.Event()
        add(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._descriptor)

    def end(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def report(self) -> dict[str, Any]:
        """The last reply. Raises GaolerError."""
        return (await asyncio.shield(self._last))[0]

    def close(self) -> None:
        self.end()
        with suppress(OSError):  # the daemon may have gone
            self._gaoler.connection.sock.shutdown(socket.SHUT_RDWR)

    def _over(self, last: asyncio.Future[list[dict[str, Any]]]) -> None:
        self._gaoler.connection.close()
        if not last.cancelled():
            last.exception()  # who has gone doesn't ask for it
