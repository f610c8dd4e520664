"""What is changed on the page, kept with its memory, cloned while it runs, and told when something inside was killed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]
COUNT = "n=0; while :; do n=$((n + 1)); echo $n > /root/count.new; mv /root/count.new /root/count; sleep 0.1; done"


@pytest.fixture
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--ttl", "2h") as machine:
        yield machine


def choose(tab: Tab, name: str, entry: str) -> None:
    tab.get_by_role("button", name=f"More for {name}").click()
    tab.get_by_role("menuitem", name=re.compile(f"^{entry}( …)?$")).click()


def answer(tab: Tab, yes: str) -> None:
    tab.get_by_role("dialog").get_by_role("button", name=yes, exact=True).click()


def test_a_machine_is_changed_in_every_way(anns: Tab, page: Page, web: Machine, gateway: Gateway, ann: User, ben: User) -> None:
    card = lambda name: anns.locator(f".machine[data-name='{name}']")
    badge = lambda name: card(name).locator(".badge")
    expect(badge("web")).to_have_text("ready")
    choose(anns, "web", "Extend")
    anns.get_by_label("Longer by").select_option(label="1 day")
    answer(anns, "Extend")
    until(lambda: web.info()["expires"] > time.time() + 86400, "it runs a day longer")
    choose(anns, "web", "Change")
    anns.get_by_role("dialog").get_by_label("Processors").select_option("0.5")
    anns.get_by_role("dialog").get_by_label("Memory").select_option(label="512 MiB")
    answer(anns, "Change")
    expect(anns.get_by_text("in full from its next start on")).to_be_visible()
    assert (web.info()["cpus"], web.info()["memory"]) == (0.5, 512 << 20)
    choose(anns, "web", "Share")
    anns.get_by_label("Name of the user").fill(ben.name)
    anns.get_by_label("they may get at my files").check()
    answer(anns, "Share")
    until(lambda: [share["user"] for share in web.info()["shares"]] == [ben.name], "it is shared")
    anns.goto(f"{page.address}/m/web")
    anns.get_by_role("listitem").filter(has_text=ben.name).get_by_role("button", name="End").click()
    until(lambda: web.info()["shares"] == [], "it is shared no longer")
    anns.get_by_role("link", name="Machines", exact=True).click()
    expect(badge("web")).to_have_text("ready")
    choose(anns, "web", "Put to sleep")
    expect(badge("web")).to_have_text("asleep")
    card("web").get_by_role("button", name="Start").click()
    expect(badge("web")).to_have_text("ready")
    choose(anns, "web", "Freeze")
    expect(badge("web")).to_have_text("frozen")
    assert web.state == "frozen"
    choose(anns, "web", "Thaw")
    expect(badge("web")).to_have_text("ready")
    web.sh("tail /dev/zero >/dev/null 2>&1 || true")
    expect(card("web").get_by_text("tail was killed inside")).to_be_visible()
    choose(anns, "web", "Stop")
    expect(badge("web")).to_have_text("stopped")
    choose(anns, "web", "Rename")
    anns.get_by_label("New name").fill("shop")
    answer(anns, "OK")
    expect(card("shop").locator(".badge")).to_have_text("stopped")
    shop = Machine(gateway, "shop", ann)
    try:
        card("shop").get_by_role("link", name="shop", exact=True).click()
        choose(anns, "shop", "Make a base of it")
        anns.get_by_label("Name of the base").fill("webs")
        answer(anns, "Publish")
        refused = gateway.gaol("publish", "shop", "webs", user=ann).stderr.splitlines()[0]
        expect(anns.get_by_role("alert")).to_contain_text(refused.removeprefix("gaol: "))
    finally:
        shop.remove()


def test_what_runs_is_kept_and_goes_on_and_is_cloned(anns: Tab, page: Page, web: Machine, gateway: Gateway, ann: User) -> None:
    web.sh(f"setsid sh -c '{COUNT}' >/dev/null 2>&1 & echo $! > /root/pid")
    count = lambda of: int(of.sh("cat /root/count 2>/dev/null || echo 0"))
    until(lambda: count(web) > 3, "it counts")
    anns.goto(f"{page.address}/m/web/snapshots")
    anns.get_by_role("button", name="Take a snapshot").click()
    anns.get_by_label("Its name").fill("kept")
    anns.get_by_label("with what runs in it").check()
    answer(anns, "Take a snapshot")
    expect(anns.locator(".rows li")).to_contain_text("with what ran in it")
    kept = count(web)
    until(lambda: count(web) > kept + 20, "it counts on")
    choose(anns, "web", "Clone")
    anns.get_by_label("Name of the new machine").fill("twin")
    anns.get_by_label("with what runs in it").check()
    answer(anns, "OK")
    expect(anns.get_by_text("twin is there")).to_be_visible()
    twin = Machine(gateway, "twin", ann)
    try:
        there = count(twin)
        assert there > kept
        until(lambda: count(twin) > there, "the twin counts on by itself")
    finally:
        twin.remove()
    anns.get_by_role("button", name="Put back").click()
    answer(anns, "Put back")
    expect(anns.get_by_text("web goes on from kept")).to_be_visible()
    expect(anns.locator(".machine-title .badge")).to_have_text("ready")
    back = count(web)
    assert web.sh("kill -0 $(cat /root/pid) && echo alive") == "alive"
    until(lambda: count(web) > back, "it counts on from there")
    anns.get_by_role("button", name="Put back").click()
    anns.get_by_label("Its files alone").check()
    answer(anns, "Put back")
    expect(anns.get_by_text("web is as it was at kept")).to_be_visible()
    expect(anns.locator(".machine-title .badge")).to_have_text("ready")
    assert web.sh("kill -0 $(cat /root/pid) 2>/dev/null || echo ended") == "ended"
