"""Two users on one page: neither sees, guesses or reaches what is the other's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--no-network") as machine:
        yield machine


def test_anothers_machine_is_none(page: Page, web: Machine, ben: User) -> None:
    headers = page.log_in(ben)

    def call(method: str, **parameters: object) -> bytes:
        return page.ask("POST", "/api/call", {"method": method, "parameters": parameters}, headers=headers)[2]

    assert call("List") == b'{"result": {"machines": []}}\n'
    for owner in ({}, {"owner": web.user.name}):
        for method, more in (
            ("Inspect", {}),
            ("Log", {}),
            ("Down", {}),
            ("Remove", {}),
            ("Wait", {"until": "ready"}),
            ("Snapshot", {}),
            ("Clone", {"new": "mine"}),
        ):
            there, none = call(method, name="web", **more, **owner), call(method, name="none", **more, **owner)
            assert b'"error"' in there and there.replace(b"web", b"none") == none, method
    for path in ("/api/files?machine=web&path=/", "/api/file?machine=web&path=/etc/passwd", "/api/ports?machine=web"):
        assert page.get(path, headers=headers)[0] == 404, path
    assert page.ask("POST", "/api/throw-away", {"name": "web"}, headers=headers)[0] == 404
    assert web.state == "ready"


def test_only_what_the_page_needs_can_be_called(page: Page, ann: User) -> None:
    headers = page.log_in(ann)
    for method in ("Run", "Exec", "Ssh", "SshConnect", "Metrics", "StoreInspect", "KernelBuild", "org.gaoler.List", "__class__", ""):
        assert page.ask("POST", "/api/call", {"method": method, "parameters": {}}, headers=headers)[0] == 400, method


def test_requests_without_the_pages_token_or_from_elsewhere_are_refused(page: Page, ann: User) -> None:
    headers = page.log_in(ann)
    body = {"method": "List", "parameters": {}}
    assert page.ask("POST", "/api/call", body, headers={**headers, "X-Gaoler-Token": "0" * 64})[0] == 403
    assert page.ask("POST", "/api/call", body, headers={**headers, "Origin": "https://evil.example"})[0] == 403
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA" * 11 + "==",
    }
    for path in ("/api/live", "/api/terminal?machine=web", "/api/desktop?machine=web"):
        assert page.get(path, headers={**headers, **upgrade, "Origin": "https://evil.example"})[0] == 403, path


def test_a_replayed_cookie_is_worth_nothing_after_logging_out(page: Page, ann: User) -> None:
    headers = page.log_in(ann)
    page.ask("POST", "/api/logout", {}, headers=headers)
    for path in ("/api/me", "/api/files?machine=web&path=/"):
        assert page.get(path, headers=headers)[0] == 401


def test_nor_after_a_restart_nor_with_anothers_token(page: Page, ann: User, ben: User) -> None:
    anns, bens, ended = page.log_in(ann), page.log_in(ben), page.log_in(ann)
    page.ask("POST", "/api/logout", {}, headers=ended)
    page.restart_service()
    assert page.get("/api/me", headers=ended)[0] == 401
    body = {"method": "List", "parameters": {}}
    assert page.ask("POST", "/api/call", body, headers=ended)[0] == 401
    assert page.ask("POST", "/api/call", body, headers=anns)[0] == 200
    assert page.ask("POST", "/api/call", body, headers={**anns, "X-Gaoler-Token": bens["X-Gaoler-Token"]})[0] == 403


def test_the_service_is_nobody_and_can_do_nothing(page: Page) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{page.service()}/status").read_text().splitlines() if ":\t" in line
    )
    assert set(status["Uid"].split()) == {"65534"}
    assert status["CapEff"] == status["CapPrm"] == "0" * 16
    assert status["NoNewPrivs"] == "1"
    assert status["Groups"].split() == []
    names = []
    for link in Path(f"/proc/{page.service()}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            names.append(os.readlink(link))
    assert names
    assert not [name for name in names if name.endswith((".pem", ".toml", "shadow"))]


def test_it_can_not_speak_for_who_has_not_logged_in(page: Page, gateway: Gateway) -> None:
    """What it holds are channels of logins; none of its own says more than what an account without machines is told."""
    assert json.loads(page.get("/api/host")[2])["in"] is False
    assert page.ask("POST", "/api/call", {"method": "List", "parameters": {"all": True}})[0] == 401


def test_hostile_requests_do_not_stop_it(page: Page, ann: User) -> None:
    headers = page.log_in(ann)
    for body in ([], "x", None, {"method": ["List"]}, {"method": "List", "parameters": []}, {"a": "x" * 300_000}):
        assert page.ask("POST", "/api/call", body, headers={**headers, "Content-Type": "application/json"})[0] in (400, 413)
    for path in (
        "/static/../../etc/passwd",
        "/static/x/%2e%2e/%2e%2e/etc/passwd",
        "/api/nothing",
        "/api/files?machine=%00&path=/",
    ):
        assert page.get(path, headers=headers)[0] in (400, 404), path
    assert page.get("/api/me", headers=headers)[0] == 200
