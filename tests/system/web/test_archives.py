"""What was thrown away comes back, and machines come down and go up as files, as on the command line; by keys, and read aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support.bases import small_tree
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module", autouse=True)
def keeping(gateway: Gateway) -> Iterator[None]:
    gateway.restart(machines={"removed": "1h"})
    yield
    gateway.restart()
    until(lambda: not list((gateway.store / ".gaoler/removed").iterdir()), "nothing is kept where nothing is to be kept")


@pytest.fixture(scope="module")
def small(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A base that is packed in a moment."""
    gateway.gaol("base", "add", "small", "--directory", str(small_tree(tmp_path_factory.mktemp("small") / "tree")), check=True)
    yield "small"
    gateway.gaol("base", "rm", "small", check=True)


@pytest.fixture
def web(gateway: Gateway, ann: User, small: str) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--no-network", "--no-home", "--base", small) as machine:
        yield machine


def export(tab: Tab, name: str, told: str) -> None:
    tab.get_by_role("button", name=f"More for {name}").click()
    tab.get_by_role("menuitem", name="Export …").click()
    expect(tab.get_by_role("dialog")).to_contain_text(told)
    tab.get_by_role("dialog").get_by_role("button", name="Save").click()


def removed(gateway: Gateway, user: User) -> list[str]:
    return [one["name"] for one in gateway.json("ls", "--removed", user=user)]


def test_what_was_thrown_away_comes_back(anns: Tab, page: Page, gateway: Gateway, ann: User, web: Machine) -> None:
    web.sh("echo mine > /mine")
    web.gaol("snapshot", "good", check=True)
    expect(anns.locator(".machine[data-name=web] .badge")).to_have_text("ready")
    web.gaol("rm", "--force", check=True)
    gone = anns.locator("details.removed")
    expect(gone.get_by_text("Thrown away (1)")).to_be_visible()
    # By keys alone.
    gone.locator("summary").focus()
    anns.keyboard.press("Enter")
    expect(gone.get_by_text("snapshots: 1")).to_be_visible()
    anns.keyboard.press("Tab")
    expect(anns.get_by_role("button", name="Have back: web")).to_be_focused()
    anns.keyboard.press("Enter")
    expect(anns.get_by_text("web is back, stopped")).to_be_visible()
    expect(anns.locator(".machine[data-name=web] .badge")).to_have_text("stopped")
    expect(gone).to_be_hidden()
    web.up()
    assert web.sh("read word < /mine; echo $word") == "mine" and web.info()["snapshots"] == ["good"]
    # One whose name is another's by now; and for good.
    web.gaol("rm", "--force", check=True)
    expect(gone.get_by_text("Thrown away (1)")).to_be_visible()
    gateway.gaol("up", "web", "--no-network", "--no-home", "--base", "small", user=ann, check=True)
    expect(anns.locator(".machine[data-name=web] .badge")).to_have_text("ready")
    anns.get_by_role("button", name="Have back: web").click()
    anns.get_by_label("New name").fill("older")
    anns.get_by_role("dialog").get_by_role("button", name="Have back").click()
    expect(anns.locator(".machine[data-name=older] .badge")).to_have_text("stopped")
    gateway.gaol("rm", "--force", "older", user=ann, check=True)
    anns.get_by_role("button", name="Delete for good: older").click()
    anns.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(anns.get_by_text("older is gone for good")).to_be_visible()
    until(lambda: removed(gateway, ann) == [], "nothing can be had back")


def test_too_late_is_not_too_late(page: Page, gateway: Gateway, ann: User, web: Machine) -> None:
    """Whoever thinks again after it was removed has it back as the command line does."""
    headers = page.log_in(ann)
    keep = {"method": "POST", "path": "/api/keep", "body": {"name": "late"}, "headers": headers}
    assert page.ask(**keep)[2] == b'{"kept": false}'
    gateway.gaol("clone", "web", "late", user=ann, check=True)
    gateway.gaol("rm", "late", "--force", user=ann, check=True)
    assert page.ask(**keep)[2] == b'{"kept": true, "stopped": true}'
    late = Machine(gateway, "late", ann)
    assert late.state == "stopped"
    late.remove()


def test_down_as_a_file_and_up_again(anns: Tab, page: Page, gateway: Gateway, ann: User, web: Machine, tmp_path: Path) -> None:
    web.sh("echo mine > /mine")
    anns.goto(f"{page.address}/m/web")
    expect(anns.locator(".badge")).to_have_text("ready")
    # Nothing in this one can write its files out while it runs: that is told, and nothing is saved.
    export(anns, "web", "Not in it: what runs in it.")
    expect(anns.get_by_role("alert")).to_contain_text("web does not write out its files")
    web.gaol("down", check=True, timeout=120)
    expect(anns.locator(".badge")).to_have_text("stopped")
    with anns.expect_download() as download:
        export(anns, "web", "web.tar.zst")
    assert download.value.suggested_filename == "web.tar.zst"
    archive = tmp_path / "web.tar.zst"
    download.value.save_as(archive)
    expect(anns.get_by_text(re.compile("^web is exported"))).to_be_visible()
    # As a person makes one of it; the command line takes the same file.
    anns.goto(f"{page.address}/new")
    with anns.expect_file_chooser() as chooser:
        anns.get_by_role("button", name="From a file …").click()
    chooser.value.set_files(archive)
    anns.get_by_label("Its name").fill("again")
    anns.get_by_role("dialog").get_by_role("button", name="Make it").click()
    again = Machine(gateway, "again", ann)
    try:
        expect(anns.locator("main h1")).to_have_text("again")
        expect(anns.locator(".badge")).to_have_text("stopped")
        again.up()
        assert again.sh("read word < /mine; echo $word") == "mine"
    finally:
        again.remove()
    # What is no archive is refused in the command line's words, and nothing is made.
    junk = tmp_path / "junk.tar.zst"
    with junk.open("wb") as file:
        file.truncate(8 << 20)
    with junk.open("rb") as file:
        told = gateway.gaol("import", "-", user=ann, stdin=file).stderr
    anns.goto(f"{page.address}/new")
    with anns.expect_file_chooser() as chooser:
        anns.get_by_role("button", name="From a file …").click()
    chooser.value.set_files(junk)
    anns.get_by_role("dialog").get_by_role("button", name="Make it").click()
    expect(anns.get_by_role("alert")).to_contain_text(re.sub("^gaol: ", "", told.splitlines()[0]))
    assert [one["name"] for one in gateway.json("ls", user=ann)] == ["web"]


def test_an_archive_is_its_owners_and_a_half_is_none(page: Page, gateway: Gateway, ann: User, ben: User, web: Machine) -> None:
    anns, bens = page.log_in(ann), page.log_in(ben)
    none = page.get("/api/export?name=none", headers=bens)
    for name in ("web", f"{ann.name}/web"):
        assert page.get(f"/api/export?name={name}", headers=bens)[0] == none[0] == 404
    assert page.ask("PUT", "/api/import?name=mine", {}, headers={"Cookie": anns["Cookie"]})[0] == 403, "without the page's token"
    web.gaol("down", check=True, timeout=120)
    status, headers, _ = page.get("/api/export?name=web", headers=anns)
    assert (
        status == 200
        and headers["Content-Disposition"].startswith("attachment")
        and "sandbox" in headers["Content-Security-Policy"]
    )


def test_nothing_of_it_minds_a_screen_reader(browser: Browser, page: Page, gateway: Gateway, ann: User, web: Machine) -> None:
    axe = support.axe_core()
    gateway.gaol("clone", "web", "old", user=ann, check=True)
    gateway.gaol("rm", "old", user=ann, check=True)
    found: list[str] = []
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "locale": "de-DE"}
    for scheme, options in (("light", {}), ("dark", phone)):
        context = support.context(browser, color_scheme=scheme, **options)
        tab = context.new_page()
        support.log_in(tab, page, ann)
        tab.locator("details.removed summary").click()
        expect(tab.locator("details.removed li").first).to_be_visible()
        found += support.look(tab, axe, f"{scheme} thrown away")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
        tab.locator("details.removed li button").last.click()
        expect(tab.get_by_role("dialog")).to_be_visible()
        found += support.look(tab, axe, f"{scheme} for good")
        tab.keyboard.press("Escape")
        tab.goto(f"{page.address}/new")
        with tab.expect_file_chooser() as chooser:
            tab.get_by_role("button", name=re.compile("^(From a file|Aus einer Datei) …")).click()
        chooser.value.set_files({"name": "web.tar.zst", "mimeType": "application/zstd", "buffer": b"x"})
        expect(tab.get_by_role("dialog")).to_be_visible()
        found += support.look(tab, axe, f"{scheme} import")
        context.close()
    gateway.gaol("rm", "--removed", "--force", "old", user=ann)
    assert found == []
