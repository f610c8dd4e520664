"""Make the tutorial's pictures of the page anew, from a gateway of its own with a desktop.

    sudo GAOLER_TEST_... PYTHONPATH=src:tests .venv/bin/python tests/pictures.py docs/tutorial/pictures

The variables are those of `make desktop`. Whoever runs it looks at each picture afterwards.
"""

from __future__ import annotations

import os
import pwd
import sys
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support import users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.page import Page
from system.support.users import User
from system.support.waiting import until

WINDOW = {"width": 1200, "height": 720}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def main(place: Path) -> None:
    gateway = Gateway(
        components(), {"limits": {"memory": "6G"}, "machines": {"memory": "512M", "deadline": "60s", "removed": "1d"}}
    )
    with ExitStack() as undo:
        undo.callback(gateway.close)
        gateway.open()
        gateway.gaol("base", "add", "debian-desktop", "--directory", os.environ["GAOLER_TEST_DESKTOP"], check=True, timeout=600)
        ada, ben = (undo.enter_context(users.account(_name(gateway, name))) for name in ("ada", "ben"))
        undo.callback(gateway.remove_machines)
        for user in (ada, ben):
            support.set_password(user)
        page = Page(gateway)
        page.start()
        undo.callback(page.stop)
        _furnish(gateway, ada, ben)
        browser = undo.enter_context(support.browser())
        _by_day(browser, page, gateway, ada, place)
        _on_a_phone(browser, page, ada, place)


def _name(gateway: Gateway, name: str) -> str:
    """As it looks best, where nobody has it."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return name
    return gateway.prefix + name


def _furnish(gateway: Gateway, ada: User, ben: User) -> None:
    """Machines as a student has them after a week."""

    def gaol(*words: str, user: User = ada) -> None:
        gateway.gaol(*words, user=user, check=True, timeout=300)

    gaol("up", "web", "--ttl", "8h")
    serve = "mkdir -p /srv/notes; cd /srv/notes; echo hello > index.html; python3 -m http.server 8000 >/dev/null 2>&1 &"
    gaol("exec", "web", "--", "sh", "-c", serve)
    change = "echo 'Welcome to the course' > /etc/motd; echo '192.0.2.7 printer' >> /etc/hosts; rm -f /etc/issue.net"
    gaol("exec", "web", "--", "sh", "-c", change)
    home = "cd ~ && mkdir -p course papers && seq 9 > notes.md && seq 90000 > measurements.csv && head -c 3000000 /dev/urandom > talk.pdf"
    gaol("exec", "web", "--user", ada.name, "--", "sh", "-c", home)
    gaol("up", "lab", "--memory", "256M", "--no-network")
    gateway.gaol("exec", "lab", "--", "sh", "-c", "tail /dev/zero >/dev/null 2>&1", user=ada)  # is killed, as memory is full
    gaol("up", "old", "--memory", "256M", "--no-network", "--no-home")
    for tag in ("as-delivered", "before-upgrade"):
        gaol("snapshot", "old", tag)
    gaol("snapshot", "web", "with-its-programs", "--memory")
    gaol("clone", "old", "mistake")
    gaol("rm", "--force", "mistake")
    gaol("down", "old")
    gaol("up", "board", "--no-network", "--no-home", user=ben)
    gaol("share", "board", ada.name, user=ben)
    gaol("desktop", "desk", "--base", "debian-desktop", "--memory", "2G")


def _by_day(browser: Browser, page: Page, gateway: Gateway, ada: User, place: Path) -> None:
    tab = support.context(browser, viewport=WINDOW).new_page()
    tab.goto(page.address)
    expect(tab.get_by_label("Password")).to_be_visible()
    tab.screenshot(path=place / "login.png")
    support.log_in(tab, page, ada)
    expect(tab.locator(".machine")).to_have_count(5)
    tab.locator("details.removed summary").click()
    until(lambda: tab.locator(".machine[data-name=web] polyline, .machine[data-name=web] path").count() > 0, "lines are drawn")
    tab.wait_for_timeout(20_000)  # lines of some length
    tab.screenshot(path=place / "list.png", full_page=True)
    _shown(tab, page, "/new", ".base >> nth=1", place / "new.png")
    _shown(tab, page, "/m/web/files", ".files tbody tr >> nth=2", place / "files.png")
    _shown(tab, page, "/m/old/snapshots", ".rows li >> nth=1", place / "snapshots.png")
    _shown(tab, page, "/m/web/changes", ".changes tbody tr >> nth=1", place / "changes.png")
    tab.goto(f"{page.address}/m/web/terminal")
    expect(tab.locator(".terminal[data-connected]")).to_be_visible()
    tab.keyboard.insert_text("clear; head -3 /etc/os-release; echo 'grüße, ελληνικά, привет'; ls --color /; free -m")
    tab.keyboard.press("Enter")
    expect(tab.locator(".xterm-rows")).to_contain_text("Swap:")
    tab.screenshot(path=place / "terminal.png")
    _rescue(tab, page, Machine(gateway, "old", ada), place / "rescue.png")
    _desktop(tab, page, gateway, ada, place / "desktop.png")
    tab.context.close()


def _shown(tab: Tab, page: Page, path: str, wanted: str, picture: Path) -> None:
    tab.goto(page.address + path)
    expect(tab.locator(wanted)).to_be_visible()
    tab.screenshot(path=picture)


def _rescue(tab: Tab, page: Page, machine: Machine, picture: Path) -> None:
    tab.goto(f"{page.address}/m/{machine.name}/rescue")
    expect(tab.locator(".terminal[data-connected]")).to_be_visible()
    tab.keyboard.insert_text("clear; ls --color /mnt; cat /mnt/etc/hostname; mount | grep /mnt")
    tab.keyboard.press("Enter")
    expect(tab.locator(".xterm-rows")).to_contain_text(machine.name)
    tab.screenshot(path=picture)
    tab.get_by_role("button", name="End the rescue").click()
    expect(tab.get_by_text("The rescue has ended")).to_be_visible()


def _desktop(tab: Tab, page: Page, gateway: Gateway, ada: User, picture: Path) -> None:
    tab.set_viewport_size({"width": 1200, "height": 860})
    tab.goto(f"{page.address}/m/desk/desktop")
    expect(tab.locator(".screen[data-connected]")).to_be_visible()
    desk = Machine(gateway, "desk", ada)
    display = "export DISPLAY=:1 XAUTHORITY=/run/user/$(id -u)/desktop/xauthority"
    text = "Measurements of the third week\\n\\nThe slope is 2.1, with an error of 0.1.\\n"
    write = f"printf '{text}' > /tmp/report.txt; setsid soffice --norestore --nologo --writer /tmp/report.txt >/dev/null 2>&1 &"
    look = "xwininfo -root -tree | grep -F LibreOffice"
    desk.sh(f"{display}; {write}", guest_user=ada.name)
    until(
        lambda: desk.exec("sh", "-c", f"{display}; {look}", guest_user=ada.name).returncode == 0, "Writer's window is there", 300
    )
    tab.wait_for_timeout(20_000)  # until it has drawn all of it
    tab.screenshot(path=picture)


def _on_a_phone(browser: Browser, page: Page, ada: User, place: Path) -> None:
    tab = support.context(browser, **PHONE).new_page()
    support.log_in(tab, page, ada)
    expect(tab.locator(".machine").first).to_be_visible()
    tab.goto(f"{page.address}/m/web/terminal")
    expect(tab.locator(".terminal[data-connected]")).to_be_visible()
    tab.screenshot(path=place / "phone.png")
    tab.context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
