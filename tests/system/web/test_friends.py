"""Machines that somebody else shares: listed, marked with whose they are, with what is allowed in them and nothing besides."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from system.support import page as support
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--no-network", "--no-home") as machine:
        yield machine


def test_a_friends_machine_is_there_with_what_is_allowed(tab: Tab, page: Page, web: Machine, gateway: Gateway, ann: User, ben: User) -> None:
    own = Machine(gateway, "web", ben)  # of the same name
    try:
        own.up("--no-network", "--no-home")
        web.gaol("share", ben.name, check=True)
        support.log_in(tab, page, ben)
        theirs = f"{ann.name}/web"
        card = tab.locator(f".machine[data-name='{theirs}']")
        expect(tab.get_by_role("heading", name="Shared with you")).to_be_visible()
        expect(card).to_contain_text(f"{ann.name}'s; you work in it as root")
        expect(tab.locator(".machine[data-name='web']")).to_have_count(1)
        expect(card.get_by_role("button")).to_have_count(0)  # no menu: nothing in it would be allowed
        assert support.look(tab, support.axe_core(), "a list with a friend's machine") == []
        card.get_by_role("link", name="Terminal").focus()  # by keys: past one's own, to the friend's
        tab.keyboard.press("Enter")
        expect(tab.locator("nav.tabs a")).to_have_text(["Overview", "Terminal", "Files"])
        expect(tab.get_by_label("Work as").locator("option")).to_have_text(["as root", f"as {ann.name}"])
        expect(tab.locator(".terminal[data-connected]")).to_be_visible()
        tab.keyboard.type("id -un > /root/was; hostname\n")
        until(lambda: web.sh("cat /root/was 2>/dev/null || true") == "root", "it is typed into the friend's machine")
        web.sh("echo theirs > /root/note")
        tab.get_by_role("link", name="Files").click()
        expect(tab.get_by_role("link", name="note")).to_be_visible()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="note").click()
        with open(download.value.path()) as got:
            assert got.read() == "theirs\n"
        tab.get_by_role("link", name="Overview").click()
        expect(tab.get_by_text(f"gaol shell {theirs}", exact=True)).to_be_visible()
        assert support.look(tab, support.axe_core(), "a friend's machine") == []
        tab.goto(f"{page.address}/m/{ann.name}%2Fweb/snapshots")  # what isn't offered leads to what is
        expect(tab.locator("dl dd").first).to_be_visible()
        expect(tab.locator("nav.tabs a[aria-current]")).to_have_text("Overview")
        # As a user: an account of their own, and no choice.
        web.gaol("share", ben.name, "--as", "user", check=True)
        expect(tab.get_by_text("you work in it under your own name")).to_be_visible()
        tab.get_by_role("link", name="Terminal").click()
        expect(tab.locator(".terminal[data-connected]")).to_be_visible()
        expect(tab.get_by_label("Work as")).to_be_hidden()
        tab.keyboard.type(f"id -un > /tmp/{ben.name}\n")
        until(lambda: web.sh(f"cat /tmp/{ben.name} 2>/dev/null || true") == ben.name, "it is typed as an account of their own")
        # Throwing a friend's machine away is refused, and doesn't hit one's own of that name.
        headers = page.log_in(ben)
        assert page.ask("POST", "/api/throw-away", {"name": theirs}, headers=headers)[0] == 403
        assert json.loads(page.ask("POST", "/api/keep", {"name": "web"}, headers=headers)[2]) == {"kept": False}
        web.gaol("down", check=True)
        tab.goto(page.address)
        expect(card.locator(".badge")).to_have_text("stopped")
        expect(card.get_by_role("button")).to_have_count(0)
        web.gaol("unshare", ben.name, check=True)
        expect(tab.get_by_role("heading", name="Shared with you")).to_be_hidden()
        expect(tab.locator(".machine")).to_have_count(1)
    finally:
        own.remove()
