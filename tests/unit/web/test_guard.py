"""What another site, a stranger or an old cookie can get: nothing. And what every answer says to browsers."""

from __future__ import annotations

import ssl
import subprocess

import pytest
from aiohttp import ClientSession, TCPConnector, web

from gaoler.errors import LimitReached, NotFound
from gaoler.web import certificate
from gaoler.web.channel import Channel
from gaoler.web.guard import COOKIE, guard
from gaoler.web.sessions import Sessions, csrf_of
from gaoler.web.settings import Settings
from unit.web.running import run

SETTINGS = Settings("/nowhere", "https://gateway.example:8443", True, False, 600, 3600, "/nowhere", "gateway")


class Site:
    """The guard in front of two handlers, over TLS."""

    def __init__(self, tmp_path):
        self.pem = certificate.read(None, None, tmp_path)
        self.sessions = Sessions(600, 3600)
        self.token, _, _ = self.sessions.begin("alice", 1000, "", Channel.pair()[0])

    def ask(self, method, path, *, cookie=True, csrf=True, origin="own", **headers):
        return run(self._ask(method, path, cookie, csrf, origin, headers))

    async def _ask(self, method, path, cookie, csrf, origin, headers):
        async def done(_):
            return web.json_response({"done": True})

        async def fails(request):
            raise {"limit": LimitReached("too many"), "none": NotFound("no machine")}.get(
                request.query.get("how"), RuntimeError("a secret")
            )

        app = web.Application(middlewares=[guard(SETTINGS, self.sessions)])
        app.add_routes(
            [web.route("*", "/api/thing", done), web.get("/api/fails", fails), web.post("/api/login", done), web.get("/", done)]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.files / "certificate.pem", self.files / "key.pem")
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        address = f"https://127.0.0.1:{runner.addresses[0][1]}"
        send = {name.replace("_", "-"): value for name, value in headers.items()}
        if origin:
            send["Origin"] = address if origin == "own" else origin
        if csrf:
            send["X-Gaoler-Token"] = csrf_of(self.token)
        if cookie:
            send["Cookie"] = f"{COOKIE}={self.token if cookie is True else cookie}"
        try:
            async with (
                ClientSession(connector=TCPConnector(ssl=False)) as client,
                client.request(method, address + path, headers=send) as answer,
            ):
                return answer.status, dict(answer.headers), await answer.text()
        finally:
            await runner.cleanup()


@pytest.fixture
def site(tmp_path):
    it = Site(tmp_path)
    it.files = tmp_path
    return it


def test_a_page_of_ours_may(site):
    assert site.ask("POST", "/api/thing")[0] == 200
    assert site.ask("GET", "/api/thing", csrf=False, origin=None)[0] == 200


def test_the_address_in_the_configuration_is_ours_too(site):
    assert site.ask("POST", "/api/thing", origin="https://gateway.example:8443")[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "https://127.0.0.1",
        "https://gateway.example:8444",
        "http://gateway.example:8443",
        "https://gateway.example:8443.evil.example",
    ],
)
def test_another_site_may_not(site, origin):
    assert site.ask("POST", "/api/thing", origin=origin)[0] == 403
    assert site.ask("POST", "/api/login", origin=origin)[0] == 403


def test_another_site_may_not_by_websocket_either(site):
    """A WebSocket is a GET that browsers send to everywhere, with cookies."""
    assert site.ask("GET", "/api/thing", origin="https://evil.example", Connection="Upgrade", Upgrade="websocket")[0] == 403


def test_browsers_say_where_a_request_comes_from(site):
    assert site.ask("POST", "/api/thing", Sec_Fetch_Site="cross-site")[0] == 403
    assert site.ask("POST", "/api/thing", Sec_Fetch_Site="same-site")[0] == 403


def test_a_cookie_alone_changes_nothing(site):
    assert site.ask("POST", "/api/thing", csrf=False)[0] == 403
    assert site.ask("POST", "/api/thing", csrf=False, X_Gaoler_Token=csrf_of("another"))[0] == 403


def test_without_a_login_there_is_nothing(site):
    for cookie in (False, "guessed", ""):
        assert site.ask("GET", "/api/thing", cookie=cookie)[0] == 401


def test_an_ended_login_is_none(site):
    site.sessions.end(site.sessions.of(1000)[0])
    assert site.ask("GET", "/api/thing")[0] == 401


def test_errors_have_the_command_lines_words_and_no_tracebacks(site):
    status, _, text = site.ask("GET", "/api/fails?how=none")
    assert status == 404 and '"no machine"' in text
    assert site.ask("GET", "/api/fails?how=limit")[0] == 429
    status, _, text = site.ask("GET", "/api/fails")
    assert status == 500 and "secret" not in text and "Traceback" not in text


@pytest.mark.parametrize("path", ["/", "/api/thing", "/api/fails", "/nowhere"])
def test_every_answer_is_dressed(site, path):
    _, headers, _ = site.ask("GET", path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Server"] == "gaoler-web"


def test_a_nonce_is_used_once(site):
    assert site.ask("GET", "/")[1]["Content-Security-Policy"] != site.ask("GET", "/")[1]["Content-Security-Policy"]


def test_the_certificate_is_made_once_and_its_key_is_roots_alone(tmp_path):
    own = tmp_path / "own"
    first = certificate.read(None, None, own)
    assert certificate.read(None, None, own) == first
    assert (own / "key.pem").stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=first[0], capture_output=True, check=True
    ).stdout
    assert certificate.fingerprint(first[0]) in shown.decode()
