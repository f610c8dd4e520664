"""Files of a machine: what is in a directory, up and down. All of it is done by ordinary commands inside, as the user chosen.

What comes out is hostile: it is shown as text, and downloads are never shown at all.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gaoler.errors import Failed, Usage
from gaoler.web.guard import SESSION, dress, while_asked
from gaoler.web.hub import Hub
from gaoler.web.sessions import Session
from gaoler.web.speaking import Inside, capture, clean

ENTRIES = 2000
"""Shown of one directory."""
_LIST = r"""
cd -- "$1" 2>/dev/null || cd || exit
pwd -P && printf '\0' && exec find -L . -mindepth 1 -maxdepth 1 ! -name '*
*' -printf '%Y\t%s\t%T@\t%M\t%f\0' 2>/dev/null | head -c 600000
"""
_PUT = r"""
cd -- "$1" || exit
case $2 in */*) mkdir -p -- "${2%/*}" || exit;; esac
new=$(mktemp -- "./.gaol-up.XXXXXX") || exit
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM PIPE
head -c "$3" >"$new" || exit
[ "$(wc -c <"$new")" = "$3" ] || { echo "the page went away in the middle" >&2; exit 1; }
[ -d "$2" ] && { echo "$2 is a directory" >&2; exit 1; }
if [ -e "$2" ]; then cat "$new" >"$2"; else chmod 644 "$new" && mv -T -- "$new" "$2"; fi
"""
"""What is there keeps its owner and its mode. Half a file is never kept, not even where the page goes: that is SIGHUP or SIGPIPE,
and dash doesn't do by itself for those what it does at an exit."""
_GET = 'if [ -d "$1" ]; then cd "$(dirname "$1")" && exec tar -czf - -- "$(basename "$1")"; fi; [ -f "$1" ] && exec cat -- "$1"'
_KIND = 'if [ -d "$1" ]; then echo d; elif [ -f "$1" ]; then stat -c %s -- "$1"; else echo "there is no file $1" >&2; exit 1; fi'
_PORTS = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null"
_LISTENING = re.compile(rb"^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ 0A ", re.MULTILINE)
_log = logging.getLogger(__name__)
_LOOPBACK = (b"0100007F", b"00000000000000000000000001000000")


class Files:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/files", self.show),
            web.post("/api/files", self.change),
            web.get("/api/file", self.download),
            web.put("/api/file", self.upload),
            web.get("/api/ports", self.ports),
        ]

    async def show(self, request: web.Request) -> web.Response:
        session, machine, path, user = _asked(request)
        output = await capture(session, machine, ["sh", "-c", _LIST, "ls", path], user)
        where, *rows = output.split(b"\0")
        entries = [entry for row in rows if (entry := _entry(row))]
        entries.sort(key=lambda entry: (entry["kind"] != "d", entry["name"].lower()))
        return web.json_response(
            {"path": where.decode(errors="replace").rstrip("\n"), "entries": entries[:ENTRIES], "more": len(entries) > ENTRIES}
        )

    async def change(self, request: web.Request) -> web.Response:
        """A new directory, or something less."""
        session, machine, path, user = _asked(request)
        match request.query.get("do"):
            case "mkdir":
                argv = ["mkdir", "--", path]
            case "delete":
                argv = ["rm", "-rf", "--one-file-system", "--", path]
            case _:
                raise web.HTTPBadRequest(reason="there is no such request")
        await capture(session, machine, argv, user, patience=120)
        return web.json_response({})

    async def download(self, request: web.Request) -> web.StreamResponse:
        session, machine, path, user = _asked(request)
        kind = (await capture(session, machine, ["sh", "-c", _KIND, "file", path], user)).strip()
        name = path.rstrip("/").rpartition("/")[2] or "files"
        headers = {"Content-Type": "application/octet-stream"}
        if kind == b"d":
            name += ".tar.gz"
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        response = web.StreamResponse(headers=headers)
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        dress(request, response)
        inside = await Inside.open(session, machine, {"arguments": ["sh", "-c", _GET, "get", path], "user": user})
        try:
            inside.end_input()
            await response.prepare(request)
            async with while_asked(request):
                while data := await inside.read():
                    await response.write(data)
                code = await inside.ended()
            if code:
                _log.info("a download from %s broke off: %s", machine, inside.killed or inside.complaint or f"exit code {code}")
                raise ConnectionResetError  # a half of a file must not look like one
            await response.write_eof()
        finally:
            inside.close()
        return response

    async def upload(self, request: web.Request) -> web.Response:
        session, machine, path, user = _asked(request)
        name, size = request.query.get("name", ""), request.content_length
        if size is None or not name or name.startswith("/") or ".." in name.split("/"):
            raise Usage("that file has no good name or size", f'"{clean(name[:80])}"', "gaol cp FILE NAME:PATH")
        command = {"arguments": ["sh", "-c", _PUT, "put", path, name, str(size)], "user": user}
        inside = await Inside.open(session, machine, command)
        said = asyncio.ensure_future(inside.complaints())
        try:
            async with while_asked(request):
                async for data in request.content.iter_chunked(64 * 1024):
                    if not await inside.write(data):
                        break
                inside.end_input()
                code = await inside.ended()
            if code:
                raise Failed(
                    f"{clean(name)} was not copied",
                    await said or inside.complaint or inside.killed or "the machine refuses",
                    "gaol cp FILE NAME:PATH",
                )
        finally:
            said.cancel()
            inside.close()
        return web.json_response({})

    async def ports(self, request: web.Request) -> web.Response:
        """What listens inside for others than the machine itself."""
        session, machine, _, _ = _asked(request)
        output = await capture(session, machine, ["sh", "-c", _PORTS], "root", patience=5)
        found = {int(port, 16) for address, port in _LISTENING.findall(output) if address not in _LOOPBACK}
        return web.json_response({"ports": sorted(found)[:64]})


def _asked(request: web.Request) -> tuple[Session, str, str, str]:
    query = request.query
    path, user = query.get("path", ""), query.get("user", "root")
    if len(path) > 4096 or "\0" in path or not 0 < len(user) <= 64:
        raise web.HTTPBadRequest(reason="not a path")
    return request[SESSION], query.get("machine", ""), path, user


def _entry(row: bytes) -> dict[str, Any] | None:
    parts = row.split(b"\t", 4)
    if len(parts) != 5 or not parts[4]:
        return None
    kind, size, changed, mode, name = (part.decode(errors="replace") for part in parts)
    try:
        return {"kind": kind[:1], "size": int(size), "changed": float(changed), "mode": mode[:16], "name": name}
    except ValueError:
        return None
