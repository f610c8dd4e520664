"""Whoever asks may go away at any moment, and leaves nothing in the log but what the handler itself has to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from gaoler.web.channel import Channel
from gaoler.web.guard import COOKIE, csrf_of, guard, json_of
from gaoler.web.sessions import Sessions
from gaoler.web.settings import Settings
from unit.web.running import run

SETTINGS = Settings("/nowhere", "http://page.example", False, False, 600, 3600, "/nowhere", "gateway")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eAeAeAeAeAeAeAeAeAeAeA==\r\n"
)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def half(request: web.Request) -> web.StreamResponse:
    """What breaks off by itself, so that it doesn't look whole."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    raise ConnectionResetError


async def taken(request: web.Request) -> web.StreamResponse:
    async for _ in request.content.iter_chunked(1024):
        pass
    return web.Response()


async def understood(request: web.Request) -> web.StreamResponse:
    return web.json_response(await json_of(request))


async def pushed(request: web.Request) -> web.StreamResponse:
    sock = web.WebSocketResponse()
    await sock.prepare(request)
    while True:
        await sock.send_bytes(b"x" * 65536)


async def listened(request: web.Request) -> web.StreamResponse:
    sock = web.WebSocketResponse()
    await sock.prepare(request)
    async for message in sock:
        assert message.type == WSMsgType.TEXT
    await sock.send_str("and one more thing")
    return sock


async def late(_: web.Request) -> web.StreamResponse:
    """What the network says of somebody who has been out of reach for too long."""
    raise TimeoutError("[Errno 110] Connection timed out")


CASES: dict[str, tuple[Handler, str, str, bytes]] = {
    "a download": (endless, "GET", "", b""),
    "half a download": (half, "GET", "", b""),
    "an upload": (taken, "PUT", "Content-Length: 9000000\r\n", b"x" * 100_000),
    "an upload in chunks": (taken, "PUT", "Transfer-Encoding: chunked\r\n", b"3e8\r\n" + b"x" * 500),
    "a question": (understood, "POST", "Content-Type: application/json\r\nContent-Length: 5000\r\n", b'{"a": '),
    "a socket that is written": (pushed, "GET", UPGRADE, b""),
    "a socket that is read": (listened, "GET", UPGRADE, b""),
    "half a frame": (listened, "GET", UPGRADE, b"\x81\xfe\x00"),
    "silence": (late, "GET", "", b""),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_who_goes_away_leaves_no_traceback(case: str, reset: bool, caplog: pytest.LogCaptureFixture) -> None:
    handler, method, headers, body = CASES[case]
    caplog.set_level(logging.INFO)

    async def story() -> None:
        sessions = Sessions(600, 3600)
        token, _, _ = sessions.begin("alice", 1000, "", Channel.pair()[0])
        ended = asyncio.Event()

        async def watched(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            finally:
                ended.set()

        app = web.Application(middlewares=[guard(SETTINGS, sessions)])
        app.router.add_route("*", "/api/thing", watched)
        runner: Any = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: caplog.handler.emit(
                logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "msg": str(context)})
            )
        )
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"{method} /api/thing HTTP/1.1\r\nHost: page.example\r\nOrigin: http://page.example\r\nCookie: {COOKIE}={token}\r\nX-Gaoler-Token: {csrf_of(token)}\r\n{headers}\r\n".encode()
            + body
        )
        await writer.drain()
        if handler in (endless, half, pushed, listened):
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 " if headers == UPGRADE else b"HTTP/1.1 200 ")
        if handler is not half and handler is not late:
            if reset:
                writer.transport.abort()
            else:
                writer.close()
        else:
            # The other way round: it is the page that ends it, and nothing that came looks whole.
            rest = await reader.read()
            assert not rest.endswith(b"0\r\n\r\n")
            writer.close()
        await ended.wait()
        await runner.cleanup()

    run(asyncio.wait_for(story(), 60))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
