"""What stands before every answer: who asks, from which page, and what a browser may do with what it gets."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from gaoler.errors import GaolerError
from gaoler.web.sessions import Session, Sessions, csrf_of
from gaoler.web.settings import Settings

COOKIE = "__Host-gaoler"
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
TOKEN: web.RequestKey[str] = web.RequestKey("token", str)
NONCE: web.RequestKey[str] = web.RequestKey("nonce", str)
_OPEN = ("/api/login", "/api/host")
"""What one may ask without being logged in, beside the page itself."""
_STATUS = {2: 400, 3: 404, 4: 403, 5: 429, 6: 503}
"""Of HTTP, by the exit code of an error."""
_LOOK = 5.0
"""Seconds between looks whether who asked is there still."""
_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard(settings: Settings, sessions: Sessions) -> Any:
    """The middleware."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[NONCE] = secrets.token_urlsafe(16)
        try:
            _check(request, settings, sessions)
            response = await handler(request)
        except web.HTTPException as error:
            response = _refusal(error.status, error.reason)
        except GaolerError as error:
            response = refuse(error)
        except (ConnectionError, TimeoutError):
            return _break_off(request)
        except Exception:
            _log.exception("%s %s", request.method, request.path)
            response = _refusal(500, "the page made a mistake: its log says more")
        if not response.prepared:
            dress(request, response)
        return response

    return around


def _break_off(request: web.Request) -> web.Response:
    """Who asked has gone, or is to see that what they have got is a half: the connection ends in the middle.

    Nobody gets what this returns. Raised on, the error would be a fault of ours to aiohttp, which writes a traceback of it.
    """
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _check(request: web.Request, settings: Settings, sessions: Sessions) -> None:
    """Raises HTTPException."""
    changes = request.method not in ("GET", "HEAD") or "Upgrade" in request.headers
    if changes and not _is_ours(request, settings):
        raise web.HTTPForbidden(reason="that request came from another page")
    if not request.path.startswith("/api/"):
        return
    token = request.cookies.get(COOKIE, "")
    session = sessions.find(token) if token else None
    if session is not None:
        request[SESSION], request[TOKEN] = session, token
    if request.path.startswith(_OPEN):
        return
    if session is None:
        raise web.HTTPUnauthorized(reason="not logged in")
    if request.method not in ("GET", "HEAD"):
        given = request.headers.get("X-Gaoler-Token", "")
        if not hmac.compare_digest(given.encode(), csrf_of(token).encode()):
            raise web.HTTPForbidden(reason="that request came from another page")


def _is_ours(request: web.Request, settings: Settings) -> bool:
    """Whether a page of this very origin asks: browsers say in Origin which one does, for all that isn't a plain GET."""
    origin = request.headers.get("Origin", "")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    parts = urlsplit(origin)
    wanted = {request.headers.get("Host", ""), urlsplit(settings.address).netloc}
    return parts.scheme in ("https", "http") and (parts.scheme == "https" or not settings.tls) and parts.netloc in wanted


def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer has."""
    host = request.headers.get("Host", "")
    # older browsers don't count our WebSocket as 'self'.
    sockets = f" wss://{host}" if host and all(c.isalnum() or c in ".-:[]" for c in host) else ""
    policy = (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{request[NONCE]}'; img-src 'self' data: blob:; font-src 'self'; "
        f"connect-src 'self'{sockets}; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    for name, value in (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ("Cache-Control", "no-store"),
        ("Server", "gaoler-web"),
    ):
        response.headers.setdefault(name, value)


@asynccontextmanager
async def while_asked(request: web.Request) -> AsyncIterator[None]:
    """Give up what one waits for in here once whoever asked has gone: a machine may never say anything more."""
    asked, loop = asyncio.current_task(), asyncio.get_running_loop()
    gone = False
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal gone, timer
        gone = request.transport is None or request.transport.is_closing()
        if not gone:
            timer = loop.call_later(_LOOK, look)
        elif asked is not None:
            asked.cancel()

    look()
    try:
        yield
    except asyncio.CancelledError:
        if not gone or asked is None:
            raise
        asked.uncancel()
        raise ConnectionResetError("whoever asked has gone") from None
    finally:
        if timer is not None:
            timer.cancel()


def refuse(error: GaolerError) -> web.Response:
    return web.json_response({"error": details(error)}, status=_STATUS.get(error.code, 409))


def details(error: GaolerError) -> dict[str, Any]:
    return {"what": error.what, "why": error.why, "hint": error.hint, "code": error.code}


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"error": {"what": reason, "why": "", "hint": "", "code": 1}}, status=status)


async def json_of(request: web.Request) -> dict[str, Any]:
    """The object in a request's body. Raises HTTPBadRequest."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="JSON is wanted")
    try:
        found = json.loads(await request.text())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(reason="a JSON object is wanted")
    return found


def remote_of(request: web.Request, settings: Settings) -> str:
    """The address of who asks; the last one in X-Forwarded-For, which the proxy in front has written itself."""
    if settings.proxy:
        last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if last:
            return last[:100]
    return request.remote or ""
