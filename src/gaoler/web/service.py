"""The part of `gaoler-web` that speaks with browsers. It is nobody on this host, and holds only what was logged in."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from gaoler import logs
from gaoler.errors import GaolerError
from gaoler.web import confining
from gaoler.web.archives import Archives
from gaoler.web.assets import Assets
from gaoler.web.calls import Calls
from gaoler.web.channel import Channel, Gone, close
from gaoler.web.desktops import Desktops
from gaoler.web.files import Files
from gaoler.web.guard import guard
from gaoler.web.hub import Hub
from gaoler.web.live import Live
from gaoler.web.login import Login
from gaoler.web.settings import Settings
from gaoler.web.terminals import Terminals

BODY = 256 * 1024
"""Bytes of a request; files are streams, and not counted."""


def main(helper: int, listener: int, settings: int, certificate: int, key: int) -> None:
    """The arguments are numbers of descriptors."""
    logging.basicConfig(level=logging.INFO, format="gaoler-web: %(message)s", handlers=[logs.Bounded()])
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    confining.hide_memory()
    told = Settings.unpack(_read(settings).decode())
    tls = _tls(certificate, key) if told.tls else None
    channel = Channel.of(helper)
    try:
        asyncio.run(_serve(told, channel, socket.socket(fileno=listener), tls))
    except GaolerError as error:
        print(f"gaoler-web: {error}", file=sys.stderr)  # noqa: T201
        print(f"try: {error.hint}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        pass


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _tls(certificate: int, key: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(f"/proc/self/fd/{certificate}", f"/proc/self/fd/{key}")
    close([certificate, key])
    return context


async def _serve(settings: Settings, helper: Channel, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    hub = Hub(settings, helper)
    terminals, calls = Terminals(hub), Calls(hub)
    live = Live(hub, calls)
    _take_over(hub, terminals)
    app = web.Application(middlewares=[guard(settings, hub.sessions)], client_max_size=BODY)
    for part in (Login(hub), calls, live, terminals, Desktops(hub), Files(hub), Archives(live), Assets(Path(settings.packages))):
        app.add_routes(part.routes())
    app.cleanup_ctx.append(_watching(hub))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=tls, backlog=256).start()
    helper.send({"serving": True})
    await _ended(helper)
    await runner.cleanup()


def _take_over(hub: Hub, terminals: Terminals) -> None:
    """What the helper has kept from the process before."""
    while True:
        message, descriptors = hub.helper.receive()
        if "begin" in message:
            return
        kind, _, name = message["kept"].partition(":")
        if kind == "session":
            hub.sessions.take_over(name, message["note"], Channel.of(descriptors[0]))
        elif kind == "terminal":
            terminals.take_over(name, message["note"], descriptors)
        else:
            close(descriptors)


def _watching(hub: Hub) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.ensure_future(hub.watch())
        yield
        task.cancel()

    return context


async def _ended(helper: Channel) -> None:
    """Until the helper has gone, or wants another in our place."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def look() -> None:
        try:
            helper.receive()
        except Gone:
            loop.remove_reader(helper.fileno())
            over.set()

    loop.add_reader(helper.fileno(), look)
    await over.wait()
