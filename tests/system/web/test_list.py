"""What one does with machines on the page is what `gaol` shows, and the other way round; by mouse, by keys, and read aloud."""

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
    with running(gateway, ann, "web") as machine:
        yield machine


def card(tab: Tab, name: str):
    return tab.locator(f".machine[data-name='{name}']")


def choose(tab: Tab, name: str, entry: str) -> None:
    tab.get_by_role("button", name=f"More for {name}").click()
    tab.get_by_role("menuitem", name=re.compile(f"^{entry}( …)?$")).click()


def test_a_first_machine_is_made_and_thrown_away_with_second_thoughts(anns: Tab, gateway: Gateway, ann: User) -> None:
    expect(anns.get_by_text("No machines yet")).to_be_visible()
    anns.get_by_role("link", name="New machine").click()
    anns.get_by_label("Name").fill("first")
    expect(anns.get_by_role("radio", name="debian")).to_be_checked()
    anns.get_by_label("Then").select_option("page")
    anns.get_by_role("button", name="Make it").click()
    expect(anns.locator("main h1")).to_have_text("first")
    expect(anns.locator(".badge")).to_have_text("ready")
    assert [machine["name"] for machine in gateway.json("ls", user=ann)] == ["first"]
    anns.go_back()
    expect(anns.locator("main h1")).to_have_text("Your machines")
    choose(anns, "first", "Throw away")
    expect(card(anns, "first").locator(".badge")).to_have_text("being thrown away")
    card(anns, "first").get_by_role("button", name="Undo").click()
    expect(card(anns, "first").locator(".badge")).to_have_text("ready")
    choose(anns, "first", "Throw away")
    expect(card(anns, "first")).to_have_count(0)
    assert gateway.json("ls", user=ann) == []


def test_stop_start_snapshot_restore_clone(anns: Tab, web: Machine) -> None:
    expect(card(anns, "web").locator(".badge")).to_have_text("ready")
    expect(card(anns, "web").get_by_role("img", name="Processor")).to_be_visible()
    web.sh("echo before > /root/note")
    choose(anns, "web", "Snapshot")
    anns.get_by_label("Its name").fill("good")
    anns.get_by_role("button", name="Take a snapshot").click()
    until(lambda: web.info()["snapshots"] == ["good"], "the snapshot is taken")
    web.sh("echo after > /root/note")
    card(anns, "web").get_by_role("link", name="web", exact=True).click()
    anns.get_by_role("link", name="Snapshots").click()
    anns.get_by_role("button", name="Put back").click()
    anns.get_by_role("dialog").get_by_role("button", name="Put back").click()
    expect(anns.get_by_text("web is as it was at good")).to_be_visible()
    expect(anns.locator(".badge")).to_have_text("ready")
    assert web.sh("cat /root/note") == "before"
    anns.get_by_role("button", name="Forget").click()
    anns.get_by_role("dialog").get_by_role("button", name="Forget").click()
    until(lambda: web.info()["snapshots"] == [], "the snapshot is forgotten")
    choose(anns, "web", "Stop")
    expect(anns.locator(".badge")).to_have_text("stopped")
    assert web.state == "stopped"
    choose(anns, "web", "Clone")
    anns.get_by_label("Name of the new machine").fill("copy")
    anns.get_by_role("button", name="OK").click()
    try:
        anns.get_by_role("link", name="Machines", exact=True).click()
        expect(card(anns, "copy").locator(".badge")).to_have_text("stopped")
        card(anns, "copy").get_by_role("button", name="Start").click()
        expect(card(anns, "copy").locator(".badge")).to_have_text("ready")
    finally:
        web.gateway.gaol("rm", "--force", "copy", user=web.user)
    expect(card(anns, "copy")).to_have_count(0)


def test_what_fails_is_told_in_the_command_lines_words(anns: Tab, web: Machine) -> None:
    choose(anns, "web", "Clone")
    anns.get_by_label("Name of the new machine").fill("web")
    anns.get_by_role("button", name="OK").click()
    said = web.gateway.gaol("clone", "web", "web", user=web.user).stderr
    expect(anns.get_by_role("alert")).to_contain_text(re.sub(r"^gaol: ", "", said.splitlines()[0]))


def test_what_listens_inside_is_listed(anns: Tab, page: Page, web: Machine) -> None:
    web.sh(
        'python3 -c \'import socket,time; s=socket.create_server(("", 8000)); t=socket.create_server(("127.0.0.1", 8001)); time.sleep(600)\' >/dev/null 2>&1 &'
    )
    anns.goto(f"{page.address}/m/web")
    link = anns.get_by_role("link", name=f"{web.address}:8000")
    expect(link).to_have_attribute("href", f"http://{web.address}:8000/")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(anns.get_by_text(":8001")).to_have_count(0)


def test_the_console_is_text(anns: Tab, page: Page, web: Machine) -> None:
    web.sh("printf '<img src=x onerror=alert(1)>\\033]0;evil\\007\\033[2Jseen\\n' > /dev/console")
    anns.goto(f"{page.address}/m/web/console")
    expect(anns.get_by_role("log")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(anns.locator("main img")).to_have_count(0)


def test_by_keys_alone(anns: Tab, web: Machine) -> None:
    expect(card(anns, "web")).to_be_visible()
    anns.keyboard.press("Tab")
    expect(anns.get_by_role("link", name="New machine")).to_be_focused()
    for _ in range(4):
        anns.keyboard.press("Tab")
    expect(anns.get_by_role("button", name="More for web")).to_be_focused()
    anns.keyboard.press("Enter")
    expect(anns.get_by_role("menuitem", name="Restart")).to_be_focused()
    anns.keyboard.press("ArrowDown")
    expect(anns.get_by_role("menuitem", name="Stop", exact=True)).to_be_focused()
    anns.keyboard.press("Escape")
    expect(anns.get_by_role("button", name="More for web")).to_be_focused()
    anns.keyboard.press("n")
    expect(anns.get_by_label("Name")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_has_nothing_to_complain_of(browser: Browser, page: Page, ann: User, web: Machine, scheme: str) -> None:
    """axe-core looks at every view."""
    axe = support.axe_core()
    context = support.context(browser, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(page.address)
    expect(tab.get_by_label("Password")).to_be_visible()
    found = support.look(tab, axe, "login")
    support.log_in(tab, page, ann)
    expect(card(tab, "web")).to_be_visible()
    found += support.look(tab, axe, "list")
    tab.get_by_role("button", name="More for web").click()
    found += support.look(tab, axe, "menu")
    for path, shown in (
        ("/new", ".base"),
        ("/m/web", "dl dd"),
        ("/m/web/terminal", ".xterm-rows"),
        ("/m/web/files", ".files tbody tr, .drop p"),
        ("/m/web/snapshots", "main .button"),
        ("/m/web/console", "pre"),
    ):
        tab.goto(page.address + path)
        expect(tab.locator(shown).first).to_be_visible()
        found += support.look(tab, axe, path)
    context.close()
    assert found == []


def test_german_on_a_phone(browser: Browser, page: Page, ann: User, web: Machine) -> None:
    context = support.context(
        browser, locale="de-DE", viewport={"width": 390, "height": 844}, device_scale_factor=3, has_touch=True, is_mobile=True
    )
    tab = context.new_page()
    support.log_in(tab, page, ann)
    expect(tab.locator("main h1")).to_have_text("Meine Maschinen")
    expect(tab.locator("html")).to_have_attribute("lang", "de")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
    card(tab, "web").get_by_role("link", name="Terminal").tap()
    expect(tab.locator(".xterm-rows")).to_contain_text("#")
    tab.keyboard.type("cat")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Control").tap()
    tab.keyboard.type("c")
    expect(tab.locator(".xterm-rows")).to_contain_text("^C")
    tab.get_by_role("button", name="ArrowUp").tap()
    expect(tab.locator(".xterm-rows")).to_contain_text(re.compile(r"# cat\s*\S*#? ?cat"))
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
