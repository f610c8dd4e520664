"""What browsers load: our own files and packages of others, in memory, each under an address that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gaoler.errors import Failed
from gaoler.web.guard import NONCE

OWN = Path(__file__).resolve().parent / "static"
PACKAGES = {
    "@xterm/xterm/lib/xterm.mjs": "xterm/xterm.mjs",
    "@xterm/xterm/css/xterm.css": "xterm/xterm.css",
    "@xterm/addon-fit/lib/addon-fit.mjs": "xterm/addon-fit.mjs",
    "@novnc/novnc/core": "novnc/core",
    "@novnc/novnc/vendor": "novnc/vendor",
}
"""What is served of node_modules, and where below vendor/."""
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_WORTH = 512
"""Bytes from which on it pays to compress."""


@dataclass(frozen=True)
class _Asset:
    kind: str
    plain: bytes
    packed: bytes | None


class Assets:
    def __init__(self, packages: Path) -> None:
        """Raises Failed when packages are missing."""
        found = {path.relative_to(OWN).as_posix(): path for path in sorted(OWN.rglob("*")) if path.is_file()}
        for source, place in PACKAGES.items():
            top = packages / source
            if not top.exists():
                raise Failed("the page lacks what it is made with", f"{top} is not there", "sudo make up")
            paths = sorted(top.rglob("*.js")) if top.is_dir() else [top]
            found |= {f"vendor/{place}/{path.relative_to(top)}" if top.is_dir() else f"vendor/{place}": path for path in paths}
        self._assets = {name: _load(path) for name, path in found.items()}
        total = hashlib.sha256()
        for name, asset in sorted(self._assets.items()):
            total.update(name.encode() + b"\0" + hashlib.sha256(asset.plain).digest())
        self.version = total.hexdigest()[:12]
        self._page = self._assets.pop("index.html").plain.decode().replace("VERSION", self.version)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/static/{version}/{name:.+}", self.serve),
            web.get("/favicon.ico", self.icon),
            web.get("/{path:(?!api/).*}", self.page),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The same for every other address: what it shows is made in the browser."""
        text = self._page.replace("NONCE", request[NONCE])
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def icon(self, _: web.Request) -> web.Response:
        raise web.HTTPNotFound(reason="it is /static/.../icon.svg")

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None or request.match_info["version"] != self.version:
            raise web.HTTPNotFound(reason="there is no such file, or no longer")
        headers = {"Cache-Control": FOREVER, "Content-Type": asset.kind, "Vary": "Accept-Encoding"}
        if asset.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=asset.plain, headers=headers)


def _load(path: Path) -> _Asset:
    plain = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or path.suffix in _TYPES:
        kind += "; charset=utf-8"
        packed = gzip.compress(plain, 9, mtime=0) if len(plain) >= _WORTH else None
        return _Asset(kind, plain, packed)
    return _Asset(kind, plain, None)
