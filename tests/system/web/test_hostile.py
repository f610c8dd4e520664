"""A machine that means no good: its desktop, its web server, its silence. The page around it goes on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine]
RFB = (Path(__file__).parents[1] / "support/programs/hostile_rfb.py").read_text()
SITE = """<!doctype html><title>mine</title><body><script type=module>
const page = "%(page)s", found = {};
const tried = async (name, work) => { try { found[name] = String(await work()); } catch (error) { found[name] = "refused"; } };
found.opener = String(window.opener);
const post = (path, type, body) => fetch(page + path, {method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": type}, body}).then(() => "sent");
await tried("read", () => fetch(page + "/api/me", {credentials: "include"}).then((answer) => answer.text()));
await tried("down", () => post("/api/call", "text/plain", '{"method": "Down", "parameters": {"name": "web"}}'));
await tried("away", () => post("/api/throw-away", "text/plain", '{"name": "web"}'));
await tried("logout", () => post("/api/logout", "text/plain", '{"everywhere": true}'));
await tried("socket", () => new Promise((good, bad) => { const socket = new WebSocket(page.replace(/^http/, "ws") + "/api/live"); socket.onopen = () => good("open"); socket.onerror = () => bad(); }));
await tried("frame", () => new Promise((good) => { const frame = document.createElement("iframe"); frame.src = page; frame.onload = () => { try { good(frame.contentDocument ? "reads" : "closed"); } catch { good("closed"); } }; document.body.append(frame); }));
await tried("script", () => import(page + "/api/me").then(() => "read"));
document.body.dataset.found = JSON.stringify(found);
</script>"""


@pytest.fixture(scope="module")
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web") as machine:
        yield machine


def test_a_desktop_that_lies(browser: Browser, page: Page, web: Machine, ann: User) -> None:
    """Whatever comes in the place of pixels, the page is its own: its title, its clipboard, its buttons."""
    web.exec("sh", "-c", "cat > /root/evil.py", input=RFB, check=True)
    web.sh(
        "printf '#!/bin/sh\\nexec python3 /root/evil.py\\n' > /root/evil && touch /usr/bin/Xtigervnc && chmod 755 /root /root/evil /root/evil.py && mount --bind /root/evil /uml/bin/desktop"
    )
    context = support.context(browser)
    tab = context.new_page()
    errors: list[str] = []
    tab.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    support.log_in(tab, page, ann)
    expect(tab.locator("main h1")).to_have_text("Your machines")
    tab.evaluate("navigator.clipboard.writeText('mine')")
    for what in ("noise", "silence", "reason", "name", "huge", "clipboard", "outside", "flood", "endless"):
        web.sh(f"echo {what} > /root/what")
        with tab.expect_websocket(lambda sock: "/api/desktop" in sock.url) as opened:
            tab.goto(f"{page.address}/m/web/desktop")
        if what != "silence":
            opened.value.wait_for_event("framereceived")
        expect(tab).to_have_title(re.compile("^web . Desktop . gaoler$"))
        assert tab.evaluate("navigator.clipboard.readText()") == "mine", what
        assert tab.locator("main img, main script").count() == 0, what
        tab.get_by_role("link", name="Overview").click()
        expect(tab.get_by_text("On the gateway")).to_be_visible()
    web.sh("umount /uml/bin/desktop; pkill -f '[e]vil.py' || true")
    context.close()
    assert errors == []


def test_a_site_inside_reaches_nothing_of_the_page(browser: Browser, page: Page, web: Machine, ann: User) -> None:
    """Its owner is logged in, and follows the page's own link to it."""
    web.exec("sh", "-c", "cat > /root/index.html", input=SITE % {"page": page.address}, check=True)
    web.sh("cd /root && setsid python3 -m http.server 8000 >/dev/null 2>&1 &")
    context = support.context(browser)
    tab = context.new_page()
    support.log_in(tab, page, ann)
    expect(tab.locator("main h1")).to_have_text("Your machines")
    tab.goto(f"{page.address}/m/web")
    with context.expect_page() as opened:
        tab.get_by_role("link", name=f"{web.address}:8000").click()
    inside = opened.value
    inside.wait_for_selector("body[data-found]")
    found = inside.evaluate("JSON.parse(document.body.dataset.found)")
    assert found["opener"] == "null"
    assert (found["read"], found["socket"], found["script"]) == ("refused",) * 3
    assert found["frame"] in ("closed", "refused")
    assert web.state == "ready", found
    tab.reload()
    expect(tab.locator(".machine-title .badge")).to_have_text("ready")
    context.close()


def test_a_machine_that_stands_still_stalls_nothing_else(
    anns: Tab, page: Page, gateway: Gateway, web: Machine, ann: User
) -> None:
    """Its kernel is stopped, as one is that hangs: what is asked of it is waited for in words, and everything else is there."""
    with ExitStack() as undo:
        other = undo.enter_context(running(gateway, ann, "other", "--no-network"))
        pid = str(web.info()["pid"])
        undo.callback(subprocess.run, ["kill", "-CONT", pid], check=True)
        subprocess.run(["kill", "-STOP", pid], check=True)
        anns.goto(f"{page.address}/m/web/files")
        expect(anns.get_by_text("Reading the directory")).to_be_visible()
        anns.goto(f"{page.address}/m/web/terminal")
        anns.go_back()
        anns.get_by_role("link", name="Machines", exact=True).click()
        anns.locator(".machine[data-name='other']").get_by_role("link", name="Terminal").click()
        expect(anns.locator(".xterm-rows")).to_contain_text("#")
        assert other.sh("echo alive") == "alive"
        status, _, told = page.get("/api/ports?machine=web", headers=page.log_in(ann))
        assert status == 409 and b"web does not answer" in told


def test_hostile_names_are_text(tab: Tab, page: Page, ben: User) -> None:
    """A person's name, which they choose by chfn, and error texts with what was asked for."""
    name = "<img src=x onerror=alert(1)>"
    subprocess.run(["usermod", "-c", name, ben.name], check=True)
    support.log_in(tab, page, ben, path="/m/%3Cimg%20src=x%20onerror=alert(1)%3E")
    expect(tab.get_by_text(f"There is no machine {name} of yours.")).to_be_visible()
    tab.get_by_role("button", name=re.compile("Account of")).click()
    expect(tab.get_by_text(name, exact=True).first).to_be_visible()
    assert tab.locator("img").count() == 0
