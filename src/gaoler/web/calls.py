"""Requests of the page to the daemon: those of the command line, with the same words, as the user."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiohttp import web

from gaoler.errors import GaolerError, NotAllowed, NotFound
from gaoler.web import speaking
from gaoler.web.guard import SESSION, details, dress, json_of
from gaoler.web.hub import Hub
from gaoler.web.sessions import Session
from gaoler.web.speaking import clean

_REMOVED = {"RemovedList", "RemovedRestore", "RemovedDrop"}
_MACHINES = {"Up", "List", "Inspect", "Top", "Log", "Down", "Remove", "Wait", "Rename", "Set", "Sleep", "Freeze", "Thaw"}
_FILES = {
    "Snapshot",
    "SnapshotList",
    "SnapshotRemove",
    "Restore",
    "Diff",
    "Clone",
    "Rebase",
    "Publish",
}
_BASES = {"BaseList", "BaseInspect", "BaseSync", "BaseRollback", "BaseSet", "BaseRemove"}
_OTHERS = {"Share", "Unshare", "KernelList"}
METHODS = frozenset(_MACHINES | _REMOVED | _FILES | _BASES | _OTHERS)
"""All that one does with one's own machines and bases, save what carries descriptors or keys. Who may do what is the daemon's to
say, here as everywhere."""
REGRET = 12
"""Seconds until what is thrown away is removed: whoever thinks again in that time has it back with all that runs in it, since
nothing has happened. Later it is had back as `gaol restore --removed` does it, stopped."""
_log = logging.getLogger(__name__)


class Calls:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.doomed: dict[tuple[int, str], asyncio.Task[None]] = {}
        """Machines that will be thrown away unless their owner thinks again, by uid and name."""
        self.going: set[tuple[int, str]] = set()
        """Those of them that nothing holds any more."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/call", self.call),
            web.post("/api/throw-away", self.throw_away),
            web.post("/api/keep", self.keep),
        ]

    async def call(self, request: web.Request) -> web.StreamResponse:
        """`{"method": ..., "parameters": {...}}`: a line of JSON a reply, the last one with `result` or `error`."""
        body = await json_of(request)
        method, parameters = body.get("method"), body.get("parameters", {})
        if not isinstance(method, str) or method not in METHODS or not isinstance(parameters, dict):
            raise web.HTTPBadRequest(reason="there is no such request")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        dress(request, response)
        await response.prepare(request)
        last: dict[str, Any] = {}
        try:
            async for last in speaking.replies(request[SESSION], method, parameters):
                if "step" in last:
                    await response.write(json.dumps(last).encode() + b"\n")
            line: dict[str, Any] = {"result": last}
        except GaolerError as error:
            line = {"error": details(error)}
        await response.write(json.dumps(line).encode() + b"\n")
        return response

    async def throw_away(self, request: web.Request) -> web.Response:
        """Not at once: `/api/keep` within some seconds takes it back."""
        session, name = request[SESSION], (await json_of(request)).get("name")
        if not isinstance(name, str):
            raise web.HTTPBadRequest(reason="a name is wanted")
        machine = (await speaking.call(session, "Inspect", name=name))["machine"]
        if machine["owner"] != session.user:
            # Seen, since it is shared, or by an administrator; its name alone would be one of their own.
            raise NotAllowed(f"you may not throw {clean(name[:80])} away", f"it is {machine['owner']}'s", "gaol ls")
        key = (session.uid, str(machine["name"]))
        if key not in self.doomed:
            self.doomed[key] = asyncio.ensure_future(self._remove(session, key))
        return web.json_response({"seconds": REGRET})

    async def keep(self, request: web.Request) -> web.Response:
        """`stopped`: it was removed already, and what ran in it ended."""
        session, name = request[SESSION], (await json_of(request)).get("name")
        if not isinstance(name, str):
            raise web.HTTPBadRequest(reason="a name is wanted")
        key = (session.uid, name)
        task = self.doomed.get(key)
        if task is not None and key not in self.going:
            self.doomed.pop(key).cancel()
            return web.json_response({"kept": True, "stopped": False})
        if task is not None:
            await asyncio.wait([task])
        try:
            await speaking.call(session, "RemovedRestore", name=name)
        except NotFound:
            return web.json_response({"kept": False})
        return web.json_response({"kept": True, "stopped": True})

    async def _remove(self, session: Session, key: tuple[int, str]) -> None:
        try:
            await asyncio.sleep(REGRET)
            self.going.add(key)
            # It is done even if its owner logs out.
            await asyncio.shield(speaking.call(session, "Remove", name=key[1], force=True))
        except GaolerError as error:
            _log.warning("%s was not thrown away: %s", key[1], error)
        finally:
            if self.doomed.get(key) is asyncio.current_task():
                self.doomed.pop(key)
            self.going.discard(key)
