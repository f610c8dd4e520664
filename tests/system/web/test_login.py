"""Logging in by PAM, its whole conversation, its limits, and all the ways in which a login ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from system.support import page as support
from system.support import users
from system.support.gateway import Gateway
from system.support.page import PASSWORD, Page
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_wrong_then_right(tab: Tab, page: Page, ann: User) -> None:
    support.log_in(tab, page, ann, "guessed")
    expect(tab.get_by_role("alert")).to_have_text("That name and password don't go together.")
    support.log_in(tab, page, ann)
    expect(tab.locator("main h1")).to_have_text("Your machines")
    written = page.log.read_text()
    assert f"refused '{ann.name}' from 127.0.0.1" in written
    assert f"granted '{ann.name}' from 127.0.0.1, uid {ann.uid}" in written
    assert PASSWORD not in written and "guessed" not in written


def noted(gateway: Gateway) -> list[dict[str, object]]:
    """What the audit has of logins to the page."""
    lines = [line for day in sorted((gateway.directory / "audit").iterdir()) for line in day.read_text().splitlines()]
    return [entry for entry in map(json.loads, lines) if str(entry["did"]).startswith("Page")]


def ended(gateway: Gateway, pid: object) -> list[dict[str, object]]:
    """The end of the login that this process of the page's was."""
    return [entry for entry in noted(gateway) if (entry["did"], entry.get("pid")) == ("PageLogout", pid)]


def test_the_audit_has_each_login_and_its_end(page: Page, gateway: Gateway, ann: User) -> None:
    """Who failed is nobody, whoever they said they were; who is in is who PAM said, and who left whom the kernel knows."""
    begun = len(noted(gateway))
    assert page.ask("POST", "/api/login", {"user": ann.name, "password": "guess"})[0] == 403
    headers = page.log_in(ann)
    assert page.ask("POST", "/api/logout", {}, headers=headers)[0] == 200
    # Others' ends are noted in between: a login of the test before is over when its process is.
    logins = lambda: [entry for entry in noted(gateway)[begun:] if entry["did"] == "PageLogin"]
    until(lambda: len(logins()) == 2, "both are noted")
    failed, came = logins()
    until(lambda: ended(gateway, came["pid"]), "the log-out is noted")
    (left,) = ended(gateway, came["pid"])
    assert (failed["who"], failed["tried"], failed["code"], failed["from"]) == (None, ann.name, 4, "127.0.0.1")
    assert "uid" not in failed and failed["error"]
    assert [came[key] for key in ("who", "uid", "did", "from", "code")] == [ann.name, ann.uid, "PageLogin", "127.0.0.1", 0]
    assert [left[key] for key in ("who", "uid", "pid", "did")] == [ann.name, ann.uid, came["pid"], "PageLogout"]
    assert PASSWORD not in str(noted(gateway)) and (gateway.directory / "audit").stat().st_mode & 0o777 == 0o700


def test_the_end_of_a_login_is_noted_whoever_ends_it(page: Page, gateway: Gateway, ann: User) -> None:
    """The person's own processes, a program that takes the helper's place, and time, before anybody is in."""
    page.log_in(ann)
    pid = next(entry["pid"] for entry in reversed(noted(gateway)) if entry["did"] == "PageLogin")
    assert page.process is not None
    service = page.service()
    page.process.send_signal(signal.SIGHUP)
    until(lambda: page.other(service) and page.get("/api/host")[0] == 200, "it is served anew")
    subprocess.run(["kill", str(pid)], user=ann.uid, check=True)
    until(lambda: ended(gateway, pid), "it is seen")
    begun = len(noted(gateway))
    before = set(children(page))
    assert b"ask" in page.ask("POST", "/api/login", {"user": ann.name})[2]
    (asking,) = set(children(page)) - before
    os.kill(asking, signal.SIGALRM)
    tried = lambda: [entry for entry in noted(gateway)[begun:] if entry["did"] != "PageLogout"]
    until(tried, "it is seen")
    (late,) = tried()
    assert (late["who"], late["tried"], late["error"], late["code"]) == (None, ann.name, "it took too long", 4)


def children(page: Page) -> list[int]:
    assert page.process is not None
    return [int(pid) for pid in Path(f"/proc/{page.process.pid}/task/{page.process.pid}/children").read_text().split()]


def test_one_comes_back_to_the_address_that_one_asked_for(tab: Tab, page: Page, ann: User) -> None:
    support.log_in(tab, page, ann, path="/new")
    expect(tab.locator("main h1")).to_have_text("New machine")
    tab.reload()
    expect(tab.locator("main h1")).to_have_text("New machine")


def test_an_expired_password_is_changed_here(tab: Tab, page: Page, gateway: Gateway) -> None:
    with users.account(f"{gateway.prefix}old") as old:
        support.set_password(old)
        subprocess.run(["chage", "-d", "0", old.name], check=True)
        support.log_in(tab, page, old)
        new = "a newer, longer 2nd password"
        for _ in range(4):  # the current one perhaps, the new one, and again
            expect(tab.locator("form button:enabled, header.top")).to_be_visible()
            if tab.locator("header.top").count():
                break
            label = tab.locator("form label").inner_text().lower()
            tab.locator("form input").fill(PASSWORD if "current" in label else new)
            with tab.expect_response(re.compile("/api/login/")):
                tab.locator("form button").click()
        expect(tab.locator("main h1")).to_have_text("Your machines")
        page.log_in(old, new)


def test_who_guesses_has_to_wait_and_others_do_not(page: Page, ann: User, gateway: Gateway) -> None:
    with users.account(f"{gateway.prefix}prey") as prey:
        support.set_password(prey)
        for _ in range(5):
            assert page.ask("POST", "/api/login", {"user": prey.name, "password": "guess"})[0] == 403
        status, headers, answer = page.ask("POST", "/api/login", {"user": prey.name, "password": PASSWORD})
        assert status == 429 and int(headers["Retry-After"]) > 0 and json.loads(answer)["wait"] > 0
        page.log_in(ann)


def test_names_that_are_none_are_refused_as_wrong_passwords_are(page: Page) -> None:
    """Nobody learns here who has an account."""
    answers = set()
    for number, name in enumerate(["nobodyhere", "root\n", "../../etc", "a" * 300, "-x", "daemon", "ü" * 40]):
        status, _, answer = page.ask("POST", "/api/login", {"user": name, "password": f"x{number}"})
        answers.add((status, json.loads(answer)["refused"]))
    assert answers == {(403, "")}


def test_root_has_no_page(page: Page, gateway: Gateway) -> None:
    assert page.ask("POST", "/api/login", {"user": "root", "password": "whatever it is"})[0] == 403


def test_what_is_no_login_is_refused(page: Page) -> None:
    for body in ({}, {"user": 1}, {"user": ""}, {"user": "x", "password": []}, {"user": "x" * 5000, "password": ""}):
        assert page.ask("POST", "/api/login", body)[0] == 400
    assert page.ask("POST", "/api/login/unknown", {"answers": ["x"]})[0] == 403


def test_logging_out_ends_the_cookie_and_the_users_process(page: Page, ann: User) -> None:
    before = brokers(ann)
    headers = page.log_in(ann)
    (new,) = brokers(ann) - before
    assert page.ask("POST", "/api/logout", {}, headers=headers)[0] == 200
    assert page.get("/api/me", headers=headers)[0] == 401
    until(lambda: new not in brokers(ann), "the process that connects for them is gone")


def test_logging_out_everywhere(tab: Tab, page: Page, ann: User) -> None:
    elsewhere = page.log_in(ann)
    support.log_in(tab, page, ann)
    tab.get_by_role("button", name=re.compile("Account of")).click()
    tab.get_by_role("menuitem", name="Log out everywhere").click()
    expect(tab.get_by_role("alert")).to_have_text("You are logged out.")
    assert page.get("/api/me", headers=elsewhere)[0] == 401


def test_a_page_that_is_open_is_told_when_its_login_ends(anns: Tab, page: Page, ann: User) -> None:
    other = page.log_in(ann)
    page.ask("POST", "/api/logout", {"everywhere": True}, headers=other)
    expect(anns.get_by_label("Password")).to_be_visible()


def test_logins_outlive_the_service(page: Page, ann: User) -> None:
    headers = page.log_in(ann)
    page.restart_service()
    assert page.get("/api/me", headers=headers)[0] == 200
    assert page.ask("POST", "/api/call", {"method": "List", "parameters": {}}, headers=headers)[2].startswith(b'{"result"')


def test_logins_outlive_the_program_that_is_installed_anew(page: Page, ann: User) -> None:
    """SIGHUP: certificate and program are read again, by the same process."""
    headers = page.log_in(ann)
    assert page.process is not None
    before = page.service()
    page.process.send_signal(signal.SIGHUP)
    until(lambda: page.other(before) and page.get("/api/host")[0] == 200, "the page is back")
    assert page.process.poll() is None
    assert page.get("/api/me", headers=headers)[0] == 200
    assert page.ask("POST", "/api/call", {"method": "List", "parameters": {}}, headers=headers)[2].startswith(b'{"result"')


def brokers(user: User) -> set[str]:
    """The user's processes that stand for logins."""
    found = subprocess.run(["pgrep", "-u", user.name, "-f", "gaoler.web.main"], capture_output=True, text=True, check=False)
    return set(found.stdout.split())
