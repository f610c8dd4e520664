"""A desktop on the page: drawn, resized, typed into, copied from; found again, beside another, after a kill."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.page import Page
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.slow, pytest.mark.timeout(600)]
WRITER = "soffice --norestore --writer"
STARTED = 120.0
"""Seconds in which a program has its window: on a busy host, and the first time."""


@pytest.fixture(scope="module")
def desk(gateway: Gateway, page: Page, ann: User) -> Iterator[Machine]:
    machine = Machine(gateway, "desk", ann)
    done = gateway.gaol("desktop", "desk", "--base", "debian", "--memory", "2G", "--cpus", "2", user=ann, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"desk  {page.address}/m/desk/desktop"
    yield machine
    machine.remove()


@pytest.fixture
def screen(browser: Browser, page: Page, ann: User, desk: Machine) -> Iterator[Tab]:
    context = support.context(browser, viewport={"width": 1100, "height": 800})
    tab = context.new_page()
    support.log_in(tab, page, ann, path="/m/desk/desktop")
    expect(tab.locator(".screen[data-connected]")).to_be_attached(timeout=STARTED * 1000)
    until(lambda: "xfdesktop" in windows(desk), "XFCE is drawn", STARTED)
    yield tab
    context.close()


def inside(machine: Machine, command: str, **options: object) -> str:
    """As the owner, on the desktop, as if started in it."""
    return str(machine.exec("/uml/bin/desktop", "run", "sh", "-c", command, **options).stdout)


def windows(machine: Machine) -> str:
    return inside(machine, "xwininfo -root -tree")


def launch(machine: Machine, command: str, title: str) -> None:
    """Start a program, and see its window; what it says, and how the machine is, are told where there is none."""
    inside(machine, f"setsid {command} >/tmp/program.log 2>&1 &")
    try:
        until(lambda: title in windows(machine), f"{title} has a window", STARTED)
    except AssertionError:
        told = inside(
            machine, "tail -n 15 /tmp/program.log; free -m; ps -u $(id -u) -o pid,stat,time,args | tail -n 25"
        ) + windows(machine)
        raise AssertionError(f"{title} has no window:\n{told}") from None


def colours(tab: Tab) -> set[tuple[int, int, int]]:
    """Of some places of the picture, as the browser has drawn it."""
    found = tab.evaluate(
        """() => { const canvas = document.querySelector('.screen canvas'); const to = canvas.getContext('2d'); const out = [];
        for (let x = 1; x < 8; x++) for (let y = 1; y < 8; y++) out.push([...to.getImageData(canvas.width * x / 8, canvas.height * y / 8, 1, 1).data.slice(0, 3)]);
        return out; }"""
    )
    return {tuple(one) for one in found}


def test_it_is_drawn(screen: Tab) -> None:
    def is_there() -> bool:
        return any(max(abs(r - 13), abs(g - 92), abs(b - 87)) <= 6 for r, g, b in colours(screen))

    until(is_there, f"the desktop's own colour is on the page, and not only {colours(screen)}")


def test_a_second_start_finds_it(gateway: Gateway, desk: Machine, screen: Tab) -> None:
    before = inside(desk, "pgrep -x Xtigervnc; pgrep -x xfce4-session")
    assert len(before.split()) == 2
    told = json.loads(gateway.gaol("desktop", "desk", "--json", user=desk.user, check=True).stdout)
    assert told["page"].endswith("/m/desk/desktop") and told["state"] == "ready"
    assert inside(desk, "pgrep -x Xtigervnc; pgrep -x xfce4-session") == before


def test_nothing_of_it_listens(desk: Machine, screen: Tab) -> None:
    assert not re.search(r":(59|60)\d\d\b", desk.sh("cat /proc/net/tcp /proc/net/tcp6 | awk '{print $2}'"))
    mode = desk.sh("stat -c '%a %U' /run/user/*/desktop /run/user/*/desktop/rfb")
    assert mode.split("\n") == [f"700 {desk.user.name}", f"600 {desk.user.name}"]


def test_it_follows_the_window(screen: Tab, desk: Machine) -> None:
    for width, height in ((900, 700), (700, 900)):
        screen.set_viewport_size({"width": width, "height": height})
        until(
            lambda width=width: f"geometry {width}x" in inside(desk, "xwininfo -root").replace("-geometry", "geometry"),
            f"the screen is {width} wide",
        )


def test_clipboard_both_ways(screen: Tab, desk: Machine) -> None:
    screen.evaluate("navigator.clipboard.writeText('from the page: grüße 漢字')")
    inside(
        desk,
        "setsid xfce4-terminal --disable-server --title=here -x sh -c 'stty -icanon -echo; cat > /tmp/pasted' >/dev/null 2>&1 &",
    )
    until(lambda: '"here"' in windows(desk), "a terminal is drawn", STARTED)

    def pasted() -> str:
        """Once more each time: a window that is just drawn takes no keys yet."""
        screen.locator(".screen canvas").click(position={"x": 550, "y": 330})
        screen.keyboard.press("Control+Shift+V")
        return inside(desk, "cat /tmp/pasted")

    until(lambda: "from the page: grüße 漢字" in pasted(), "it is pasted")
    inside(
        desk,
        "pkill -f '[x]fce4-terminal'; printf 'to the page: ééé' > /tmp/text; setsid mousepad --disable-server /tmp/text >/dev/null 2>&1 &",
    )
    until(lambda: "Mousepad" in windows(desk), "an editor is drawn", STARTED)

    def copied() -> str:
        screen.keyboard.press("Control+a")
        screen.keyboard.press("Control+c")
        inside(desk, "true")
        return str(screen.evaluate("navigator.clipboard.readText()"))

    until(lambda: "to the page: ééé" in copied(), "it is copied")
    inside(desk, "pkill mousepad")


@pytest.mark.parametrize(
    ("program", "title"),
    [
        ("soffice --norestore --writer", "LibreOffice Writer"),
        ("firefox-esr file:///tmp/shown.html", "shown by this page"),
        ("chromium --no-first-run file:///tmp/shown.html", "shown by this page"),
    ],
)
def test_programs_are_drawn(screen: Tab, desk: Machine, program: str, title: str) -> None:
    """Browsers with their sandboxes on: none is told to do without. A page's title is the renderer's, in its sandbox, to tell."""
    inside(desk, "echo '<title>shown by this page</title>' > /tmp/shown.html")
    try:
        launch(desk, program, title)
    finally:
        name = program.split(maxsplit=1)[0].replace("soffice", "soffice.bin")
        inside(desk, f"pkill -f '[{name[0]}]{name[1:]}'; sleep 1")


def test_two_desktops_of_one_owner_and_one_after_a_kill(
    gateway: Gateway, page: Page, ann: User, desk: Machine, screen: Tab
) -> None:
    """They share the home, and nothing in it that breaks."""
    other = Machine(gateway, "desk2", ann)
    with ExitStack() as undo:
        undo.callback(other.remove)
        done = gateway.gaol("desktop", "desk2", "--base", "debian", "--memory", "1G", user=ann, timeout=240)
        assert done.returncode == 0, done.stderr
        until(lambda: "xfdesktop" in windows(other), "the second one is drawn", STARTED)
        launch(other, WRITER, "LibreOffice Writer")
        gateway.gaol("down", "--force", "desk2", user=ann, check=True)
        launch(desk, WRITER, "LibreOffice Writer")  # the killed one's locks keep nobody out
        inside(desk, "pkill soffice.bin")
        gateway.gaol("desktop", "desk2", user=ann, check=True, timeout=240)
        launch(other, WRITER, "LibreOffice Writer")  # nor itself
    assert subprocess.run(["ls", "-A", str(ann.home / ".config")], capture_output=True, text=True, check=False).stdout == ""


def test_closing_the_page_leaves_it_running(screen: Tab, desk: Machine) -> None:
    screen.close()
    assert inside(desk, "pgrep -x xfce4-session").strip()


def test_a_machine_without_a_desktop_says_so(browser: Browser, page: Page, gateway: Gateway, ann: User) -> None:
    plain = Machine(gateway, "plain", ann)
    plain.up("--no-network")
    try:
        plain.sh("rm /usr/bin/Xtigervnc")
        done = gateway.gaol("up", "plain", "--desktop", user=ann)
        assert done.returncode == 1 and "this machine has no desktop" in done.stderr
        context = support.context(browser)
        tab = context.new_page()
        support.log_in(tab, page, ann, path="/m/plain/desktop")
        expect(tab.get_by_text("this machine has no desktop")).to_be_visible()
        context.close()
    finally:
        plain.remove()


def test_vnc_on_standard_streams(gateway: Gateway, desk: Machine) -> None:
    with gateway.popen("desktop", "desk", "--vnc", user=desk.user, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout and client.stdin
        assert client.stdout.read(12) == b"RFB 003.008\n"
        client.stdin.close()
        client.stdout.read()


def test_x_over_ssh(gateway: Gateway, desk: Machine, screen: Tab) -> None:
    """Where the caller has a display, programs inside are drawn there: sshd inside forwards X."""
    assert desk.sh("command -v xauth && grep -c '^X11Forwarding yes' /uml/etc/sshd_config")
