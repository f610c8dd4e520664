"""Nobody takes what others need: threads that wait, and what waits for a machine that says nothing."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from gaoler.errors import LimitReached
from gaoler.web import guard, speaking
from system.support.waiting import until
from unit.web.running import run


def test_who_asks_for_too_much_is_told_and_others_are_served() -> None:
    one, other = (SimpleNamespace(uid=uid) for uid in (71, 72))
    free = threading.Event()

    async def story() -> None:
        stuck = [speaking.in_turn(one, free.wait) for _ in range(speaking.CALLS_OF_ONE)]  # type: ignore[arg-type]
        with pytest.raises(LimitReached):
            await speaking.in_turn(one, lambda: 1)  # type: ignore[arg-type]
        assert await speaking.in_turn(other, lambda: 2) == 2  # type: ignore[arg-type]
        stuck[0].cancel()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        with pytest.raises(LimitReached):  # its thread waits still
            await speaking.in_turn(one, lambda: 1)  # type: ignore[arg-type]
        free.set()
        await asyncio.gather(*stuck, return_exceptions=True)
        served = await speaking.in_turn(other, lambda: until(lambda: not speaking._busy[71], "all turns are over"))  # type: ignore[arg-type]
        assert served and await speaking.in_turn(one, lambda: 3) == 3  # type: ignore[arg-type]

    try:
        run(asyncio.wait_for(story(), 60))
    finally:
        free.set()


def test_what_waits_for_a_machine_ends_when_whoever_asked_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_LOOK", 0.01)
    ended: list[str] = []

    async def story() -> None:
        over = asyncio.Event()

        async def stuck(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun")
            try:
                async with guard.while_asked(request):
                    await asyncio.Event().wait()
            except ConnectionResetError as error:
                ended.append(str(error))
                over.set()
            return response

        app = web.Application()
        app.router.add_get("/", stuck)
        runner: Any = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with ClientSession(timeout=ClientTimeout(60)) as client:
            answer = await client.get(f"http://{host}:{port}/")
            assert await answer.content.read(5) == b"begun"
            answer.close()
            await over.wait()
        await runner.cleanup()

    run(asyncio.wait_for(story(), 60))
    assert ended == ["whoever asked has gone"]
