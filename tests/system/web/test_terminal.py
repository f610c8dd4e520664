"""Terminals: UTF-8, sizes, floods, hostile output; they stay while the page is away, and the service restarts."""

from __future__ import annotations

import re
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


@pytest.fixture
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--no-network") as machine:
        yield machine


@pytest.fixture
def shell(anns: Tab, page: Page, web: Machine) -> Tab:
    anns.goto(f"{page.address}/m/web/terminal")
    expect(rows(anns)).to_contain_text("#")
    return anns


def rows(tab: Tab):
    return tab.locator(".xterm-rows")


def type_line(tab: Tab, line: str) -> None:
    expect(tab.locator(".terminal[data-connected]")).to_be_visible()
    tab.keyboard.insert_text(line)
    tab.keyboard.press("Enter")


def test_utf8_both_ways(shell: Tab, web: Machine) -> None:
    type_line(shell, "printf '%s-%s\\n' grüße 漢字😀 | tee /root/said | tr 'a-z-' 'A-Z+'")
    expect(rows(shell)).to_contain_text("GRüßE+漢字😀")
    assert web.sh("cat /root/said") == "grüße-漢字😀"


def test_it_has_the_windows_size(shell: Tab) -> None:
    for width, height in ((1000, 700), (700, 500)):
        shell.set_viewport_size({"width": width, "height": height})
        type_line(shell, "clear; echo size: $(stty size) $(tput cols)")
        expect(rows(shell)).to_contain_text(re.compile(r"size: \d+ (\d+) \1"))


def test_ctrl_c_ends_a_flood_at_once(shell: Tab) -> None:
    type_line(shell, "yes 'all work and no play'")
    expect(rows(shell)).to_contain_text("no play")
    shell.keyboard.press("Control+c")
    type_line(shell, "clear; echo still $((40 + 2))")
    expect(rows(shell)).to_contain_text("still 42")


def test_it_is_there_after_a_reload_and_where_it_was(shell: Tab) -> None:
    type_line(shell, "cd /usr/share; answer=42; clear; echo remembered")
    expect(rows(shell)).to_contain_text("remembered")
    shell.reload()
    expect(rows(shell)).to_contain_text("remembered")
    type_line(shell, "echo $PWD=$answer")
    expect(rows(shell)).to_contain_text("/usr/share=42")


def test_it_comes_back_when_the_service_restarts(shell: Tab, page: Page) -> None:
    type_line(shell, "answer=42; echo answered-$answer")
    expect(rows(shell)).to_contain_text("answered-42")
    with shell.expect_websocket(lambda sock: "/api/terminal" in sock.url) as again:
        page.restart_service()
    again.value.wait_for_event("framereceived")
    expect(shell.get_by_text("Connection lost")).to_have_count(0)
    type_line(shell, "clear; echo still $answer")
    expect(rows(shell)).to_contain_text("still 42")


def test_a_second_window_takes_it_over(shell: Tab, page: Page) -> None:
    type_line(shell, "clear; echo mine")
    expect(rows(shell)).to_contain_text("mine")
    kept = shell.evaluate("sessionStorage.getItem('terminals:web')")
    other = shell.context.new_page()
    other.goto(page.address)
    other.evaluate("kept => sessionStorage.setItem('terminals:web', kept)", kept)
    other.goto(f"{page.address}/m/web/terminal")
    expect(rows(other)).to_contain_text("mine")
    expect(shell.get_by_text("shown in another window")).to_be_visible()
    shell.get_by_role("button", name="Show it here").click()
    expect(other.get_by_text("shown in another window")).to_be_visible()
    other.close()


def test_its_end_is_told(shell: Tab) -> None:
    type_line(shell, "exit")
    expect(shell.get_by_text("The shell has ended.")).to_be_visible()
    shell.get_by_role("button", name="New shell").click()
    expect(rows(shell)).to_contain_text("#")


def test_as_the_owner(shell: Tab, ann: User) -> None:
    shell.get_by_label("Work as").select_option(ann.name)
    expect(rows(shell)).to_contain_text("$")
    type_line(shell, "id -un")
    expect(rows(shell)).to_contain_text(ann.name)


def test_copy_and_paste(shell: Tab) -> None:
    type_line(shell, "clear; echo to-be-$(echo copied)")
    expect(rows(shell).locator("div").first).to_contain_text("to-be-copied")
    shell.locator(".xterm-screen").dblclick(position={"x": 40, "y": 8})
    shell.keyboard.press("Control+c")
    until(lambda: "copied" in shell.evaluate("navigator.clipboard.readText()"), "it is in the clipboard")
    shell.evaluate("navigator.clipboard.writeText('echo pasted-$((6*7))')")
    shell.keyboard.press("Control+v")
    shell.keyboard.press("Enter")
    expect(rows(shell)).to_contain_text("pasted-42")


def test_hostile_output_does_nothing_to_the_page(shell: Tab) -> None:
    """Titles, links, clipboards, answers, floods of controls: a program in the machine may say whatever it likes."""
    shell.evaluate("navigator.clipboard.writeText('mine')")
    before = shell.title()
    type_line(
        shell,
        r"clear; printf '\033]0;<b>evil</b>\007\033]52;c;ZXZpbA==\007\033]8;;javascript:alert(1)\007link\033]8;;\007<script>alert(1)</script>\033[8;9999;9999t\033[21t\n'; head -c 200000 /dev/urandom; reset; clear; echo sane",
    )
    expect(rows(shell)).to_contain_text("sane")
    assert shell.title() == before
    assert shell.evaluate("navigator.clipboard.readText()") == "mine"
    assert shell.locator("main script").count() == 0


def test_an_old_answer_is_not_typed_again(shell: Tab) -> None:
    """A program asked the terminal something; what is shown again after a reload must not be answered again."""
    type_line(shell, r"clear; printf '\033[c\033[6n'; read -rsd R; clear; echo asked-$((1)); cat -v")
    expect(rows(shell)).to_contain_text("asked-1")
    shell.reload()
    expect(rows(shell)).to_contain_text("asked-1")
    type_line(shell, "behind-it")  # what the page might answer stands before it
    expect(rows(shell)).to_contain_text(re.compile("behind-it.*behind-it", re.DOTALL))
    expect(rows(shell)).not_to_contain_text("^[[")
    shell.keyboard.press("Control+c")


def test_two_terminals(shell: Tab) -> None:
    type_line(shell, "clear; echo one-$((1))")
    expect(rows(shell)).to_contain_text("one-1")
    shell.get_by_role("button", name="New terminal").click()
    expect(rows(shell)).not_to_contain_text("one-1")
    type_line(shell, "clear; echo two-$((2))")
    expect(rows(shell)).to_contain_text("two-2")
    shell.get_by_role("button", name="1", exact=True).click()
    expect(rows(shell)).to_contain_text("one-1")
