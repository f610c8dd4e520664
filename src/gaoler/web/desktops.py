"""Desktops: the pixels of a machine's desktop (RFB), through an ordinary session; nothing of it listens on any network."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from gaoler.errors import GaolerError
from gaoler.web.guard import SESSION, while_asked
from gaoler.web.hub import Hub
from gaoler.web.speaking import CHUNK, Inside

DESKTOP = "/uml/bin/desktop"
"""What starts the owner's desktop inside where none runs, and then carries RFB on its standard streams."""
COMPLAINT_CODE = 4500
"""The code that a WebSocket is closed with when there is no desktop; why is asked for at /api/desktop/why."""


class Desktops:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/desktop", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A WebSocket of RFB alone, as noVNC has it; text before the first byte is for the page around it."""
        session = request[SESSION]
        machine = request.query.get("machine", "")
        sock = web.WebSocketResponse(heartbeat=25, max_msg_size=8 << 20, protocols=("binary",), compress=False)
        await sock.prepare(request)
        session.sockets.add(sock)
        try:
            inside = await Inside.open(session, machine, {"arguments": [DESKTOP, "connect"]})
            try:
                async with while_asked(request):
                    await self._carry(sock, inside)
            finally:
                inside.close()
        except GaolerError as error:
            await _explain(sock, error.what, error.why, error.hint)
        except (ConnectionError, RuntimeError):
            pass  # the page has gone
        finally:
            session.sockets.discard(sock)
        await sock.close()
        return sock

    async def _carry(self, sock: web.WebSocketResponse, inside: Inside) -> None:
        """Until the desktop ends or the page goes, whichever comes first: a machine may never say anything more."""
        complaint = asyncio.ensure_future(inside.complaints())
        typing = asyncio.ensure_future(_to_machine(sock, inside))
        drawing = asyncio.ensure_future(_to_page(inside, sock))
        try:
            await asyncio.wait({typing, drawing}, return_when=asyncio.FIRST_COMPLETED)
            if not drawing.done():
                return
            await drawing
            code = await inside.ended()
            if code and not sock.closed:
                said = await complaint or inside.complaint
                await _explain(sock, "the desktop does not start", said.removeprefix("gaol: "), "")
        finally:
            for task in (typing, drawing, complaint):
                task.cancel()
            await asyncio.gather(typing, drawing, complaint, return_exceptions=True)  # how the others ended is nobody's to hear


async def _to_page(inside: Inside, sock: web.WebSocketResponse) -> None:
    while data := await inside.read():
        await sock.send_bytes(data)


async def _to_machine(sock: web.WebSocketResponse, inside: Inside) -> None:
    """Until the page goes."""
    takes = True
    async for message in sock:
        if message.type == WSMsgType.BINARY:
            for at in range(0, len(message.data), CHUNK):
                takes = takes and await inside.write(message.data[at : at + CHUNK])


async def _explain(sock: web.WebSocketResponse, what: str, why: str, hint: str) -> None:
    """In the closing frame, which has 123 bytes for it: noVNC takes every other frame for pixels."""
    text = f"{what}: {why}" if why else what
    del hint
    await sock.close(code=COMPLAINT_CODE, message=text.encode()[:120].decode(errors="ignore").encode())
