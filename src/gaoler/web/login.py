"""Logging in and out: PAM's conversation, carried between the browser and the process that asks PAM."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gaoler.errors import GaolerError
from gaoler.web import speaking
from gaoler.web.channel import Channel, Gone
from gaoler.web.guard import COOKIE, SESSION, TOKEN, json_of, remote_of
from gaoler.web.hub import Hub
from gaoler.web.sessions import Session, csrf_of

PENDING = 256
"""Logins that wait for an answer at once."""
_POOL = ThreadPoolExecutor(64, "login")
"""Threads of their own: whoever floods the login stalls nobody who is in."""
_ENDED: dict[str, Any] = {"refused": ""}


@dataclass
class _Login:
    channel: Channel
    user: str
    remote: str
    said: list[dict[str, str]] = field(default_factory=list)


class Login:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._pending: OrderedDict[str, _Login] = OrderedDict()
        self._known: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/host", self.host),
            web.post("/api/login", self.begin),
            web.post("/api/login/{id}", self.go_on),
            web.get("/api/me", self.me),
            web.post("/api/logout", self.logout),
        ]

    async def host(self, request: web.Request) -> web.Response:
        return web.json_response({"host": self.hub.settings.host, "in": SESSION in request})

    async def me(self, request: web.Request) -> web.Response:
        session = request[SESSION]
        return web.json_response(
            {
                "user": session.user,
                "name": session.name,
                "host": self.hub.settings.host,
                "address": self.hub.settings.address,
                "token": csrf_of(request[TOKEN]),
                "methods": await self._methods(session),
                "logins": len(self.hub.sessions.of(session.uid)),
            }
        )

    async def _methods(self, session: Session) -> list[str]:
        """What this daemon can do; nothing while it can't be asked."""
        try:
            self._known = self._known or await speaking.methods(session)
        except GaolerError:
            return []
        return self._known

    async def begin(self, request: web.Request) -> web.Response:
        body = await json_of(request)
        user, password = body.get("user"), body.get("password")
        if not isinstance(user, str) or not 0 < len(user) <= 300 or not isinstance(password, str | None):
            raise web.HTTPBadRequest(reason="a name is wanted")
        remote = remote_of(request, self.hub.settings)
        wait = self.hub.throttle.wait(user, remote)
        if wait:
            return web.json_response({"wait": int(wait) + 1}, status=429, headers={"Retry-After": str(int(wait) + 1)})
        ours, theirs = Channel.pair()
        self.hub.helper.send({"login": user, "from": remote}, [theirs.fileno()])
        theirs.close()
        return await self._step(request, _Login(ours, user, remote), password)

    async def go_on(self, request: web.Request) -> web.Response:
        login = self._pending.pop(request.match_info["id"], None)
        answers = (await json_of(request)).get("answers")
        if login is None:
            return web.json_response({"refused": "", "late": True}, status=403)
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            login.channel.close()
            raise web.HTTPBadRequest(reason="answers are wanted")
        try:
            login.channel.send({"answers": answers})
        except Gone:
            login.channel.close()
            return web.json_response({"refused": "", "late": True}, status=403)
        return await self._step(request, login, None)

    async def _step(self, request: web.Request, login: _Login, password: str | None) -> web.Response:
        """Until PAM wants something that only the person knows, or is done."""
        while True:
            message = await asyncio.get_running_loop().run_in_executor(_POOL, lambda: _next(login.channel))
            if "ask" not in message:
                break
            asked: list[dict[str, str]] = message["ask"]
            wanted = [prompt for prompt in asked if prompt["kind"] in ("secret", "text")]
            login.said += [prompt for prompt in asked if prompt["kind"] not in ("secret", "text")]
            if wanted and not (password is not None and len(wanted) == 1 and wanted[0]["kind"] == "secret"):
                return self._ask(login, wanted)
            answers, password = ([password] if wanted else []), (None if wanted else password)
            try:
                login.channel.send({"answers": answers})
            except Gone:
                message = _ENDED
                break
        if "granted" in message:
            return self._granted(request, login, message["granted"])
        login.channel.close()
        self.hub.throttle.failed(login.user, login.remote)
        return web.json_response({"refused": message.get("refused", ""), "said": login.said}, status=403)

    def _ask(self, login: _Login, wanted: list[dict[str, str]]) -> web.Response:
        name = secrets.token_urlsafe(16)
        self._pending[name] = login
        while len(self._pending) > PENDING:
            self._pending.popitem(last=False)[1].channel.close()
        said, login.said = login.said, []
        return web.json_response({"login": name, "ask": wanted, "said": said})

    def _granted(self, request: web.Request, login: _Login, who: dict[str, Any]) -> web.Response:
        self.hub.throttle.succeeded(login.user, login.remote)
        if SESSION in request:  # whoever was logged in here before
            self.hub.end(request[SESSION])
        token = self.hub.begin(who["user"], who["uid"], who["name"], login.channel)
        response = web.json_response({"user": who["user"], "said": login.said})
        # No time of its own: the server decides when it is over. Browsers keep it while they run, and many beyond that.
        age = self.hub.settings.lifetime
        response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Strict", max_age=age)
        return response

    async def logout(self, request: web.Request) -> web.Response:
        session = request[SESSION]
        everywhere = bool((await json_of(request)).get("everywhere"))
        for other in self.hub.sessions.of(session.uid) if everywhere else [session]:
            self.hub.end(other)
        response = web.json_response({})
        response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return response


def _next(channel: Channel) -> dict[str, Any]:
    """What the process that asks PAM says next; its end is a refusal."""
    try:
        return channel.receive()[0]
    except Gone:
        return _ENDED
