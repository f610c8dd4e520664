"""What has changed in a machine, the way over to a newer base, a shell for one that can't start, and where there is a desktop."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

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


def test_changes_and_rescue(anns: Tab, page: Page, web: Machine) -> None:
    web.sh("echo '<b>bold</b> new line' >> /etc/issue; echo x > '/etc/<i>odd'; rm /etc/motd")
    web.gaol("snapshot", "good", check=True)
    anns.goto(f"{page.address}/m/web/changes")
    rows = anns.locator(".changes tbody tr")
    expect(rows.filter(has_text="/etc/<i>odd")).to_have_class("added")
    expect(rows.filter(has_text="/etc/issue")).to_have_class("changed")
    expect(rows.filter(has_text="/etc/motd")).to_have_class("removed")
    anns.get_by_role("checkbox", name="As a patch").check()
    expect(anns.locator(".patch .plus", has_text="+<b>bold</b> new line")).to_be_visible()
    with anns.expect_download() as download:
        anns.get_by_role("button", name="Save").click()
    with open(download.value.path()) as got:
        assert "+<b>bold</b> new line" in got.read()
    anns.get_by_role("checkbox", name="As a patch").uncheck()
    anns.get_by_label("Since").select_option("good")
    expect(anns.get_by_text("Nothing has changed")).to_be_visible()
    # A machine without a shell can't start.
    web.sh("mv /usr/bin/dash /usr/bin/dash.away; sync", guest_user="root")
    web.gaol("down", check=True, timeout=120)
    anns.get_by_role("link", name="Terminal").click()
    anns.get_by_role("link", name="Look at its files in a rescue shell").click()
    expect(anns.locator(".terminal[data-connected]")).to_be_visible()
    anns.keyboard.type("mv /mnt/usr/bin/dash.away /mnt/usr/bin/dash && echo mended $((6 * 7))\n")
    expect(anns.locator(".xterm-rows")).to_contain_text("mended 42")
    assert support.look(anns, support.axe_core(), "rescue") == []
    with anns.expect_websocket(lambda sock: "/api/terminal" in sock.url) as again:
        page.restart_service()  # it waits for whoever comes back, as every terminal does
    again.value.wait_for_event("framereceived")
    expect(anns.locator(".terminal[data-connected]")).to_be_visible()
    anns.keyboard.type("echo again $((6 * 7))\n")
    expect(anns.locator(".xterm-rows")).to_contain_text("again 42")
    anns.get_by_role("button", name="End the rescue").focus()
    anns.keyboard.press("Enter")
    expect(anns.get_by_text("The rescue has ended")).to_be_visible()
    assert support.look(anns, support.axe_core(), "a rescue that has ended") == []
    until(lambda: web.gaol("up", timeout=120).returncode == 0, "it starts again")
    assert web.sh("echo alive") == "alive"
    expect(anns.get_by_text("a rescue is for one that doesn't")).to_be_visible()
    anns.get_by_role("link", name="Overview").click()
    expect(anns.locator("nav.tabs")).not_to_contain_text("Rescue")


def test_a_machine_moves_to_the_newer_base(anns: Tab, page: Page, gateway: Gateway, ann: User, web: Machine) -> None:
    old = Machine(gateway, "old", ann)
    gateway.gaol("base", "add", "course", "--machine", f"{ann.name}/web", check=True)
    try:
        old.up("--no-network", "--no-home", "--base", "course")
        old.sh("echo mine > /srv/mine")
        web.sh("echo newer > /srv/newer")
        gateway.gaol("base", "sync", "course", check=True)
        anns.goto(f"{page.address}/m/old")
        # By keys alone.
        anns.get_by_role("button", name="Move to the newer base").focus()
        anns.keyboard.press("Enter")
        question = anns.get_by_role("dialog", name="Move old to generation 2 of course?")
        expect(question.get_by_role("button", name="Cancel")).to_be_focused()
        assert support.look(anns, support.axe_core(), "the question of a rebase") == []
        anns.keyboard.press("Escape")
        expect(question).to_be_hidden()
        expect(anns.get_by_role("button", name="Move to the newer base")).to_be_focused()
        anns.keyboard.press("Enter")
        expect(question.get_by_role("button", name="Cancel")).to_be_focused()
        anns.keyboard.press("Tab")
        expect(question.get_by_role("button", name="Move over")).to_be_focused()
        anns.keyboard.press("Enter")
        expect(anns.get_by_text("old stands on generation 2 of course")).to_be_visible()
        expect(anns.locator(".machine-title .badge")).to_have_text("ready")
        assert old.sh("cat /srv/mine /srv/newer").split() == ["mine", "newer"]
        expect(anns.get_by_role("button", name="Move to the newer base")).to_have_count(0)
    finally:
        old.remove()
        gateway.gaol("base", "rm", "course", check=True)


def test_where_there_is_a_desktop(browser: Browser, page: Page, ann: User, web: Machine) -> None:
    """Offered only where there is one; where there is none, what has. What is new has nothing that axe-core minds."""
    axe = support.axe_core()
    found: list[str] = []
    for scheme, options in (("light", {}), ("dark", {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "locale": "de-DE"})):
        context = support.context(browser, color_scheme=scheme, **options)
        tab = context.new_page()
        support.log_in(tab, page, ann)
        german = "locale" in options
        card = tab.locator(".machine[data-name='web']")
        expect(card.get_by_role("link", name="Terminal")).to_be_visible()
        expect(card.get_by_role("link", name="Desktop")).to_have_count(0)
        tab.goto(f"{page.address}/m/web/desktop")
        expect(tab.get_by_text("sudo gaol base add debian-desktop --desktop")).to_be_visible()
        found += support.look(tab, axe, f"{scheme} desktop")
        tab.goto(f"{page.address}/m/web/changes")
        expect(tab.get_by_text(re.compile("Nothing has changed|Nichts hat sich|changed|geändert")).first).to_be_visible()
        found += support.look(tab, axe, f"{scheme} changes")
        tab.get_by_role("button", name=re.compile("^(More for|Mehr für) web")).click()
        tab.get_by_role("menuitem", name=re.compile("^(Change|Ändern) …$")).click()
        tab.get_by_role("dialog").get_by_text("Mehr Einstellungen" if german else "More settings").click()
        found += support.look(tab, axe, f"{scheme} change")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
        context.close()
    web.sh("printf '#!/bin/sh\\n' > /usr/bin/Xtigervnc; chmod +x /usr/bin/Xtigervnc")
    until(lambda: web.info()["desktop"], "it has one now")
    assert found == []
