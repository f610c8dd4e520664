"""The page, served beside a gateway of the tests' own, and a browser that looks at it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, expect, sync_playwright
from playwright.sync_api import Page as Tab

from system.support.gateway import Gateway
from system.support.quiet_network import ARGUMENTS, quiet_network
from system.support.users import User
from system.support.waiting import PATIENCE, until

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "correct horse battery stäple"


def packages() -> Path:
    """What `make test` has npm install: xterm.js, noVNC, axe-core."""
    place = Path(os.environ.get("GAOLER_TEST_PAGE") or "/usr/local/lib/gaoler/page") / "node_modules"
    assert place.is_dir(), f"{place} is missing; try: sudo make test"
    return place


@dataclass
class Page:
    gateway: Gateway
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return (self.gateway.runtime / "web").read_text().strip()

    @property
    def log(self) -> Path:
        return self.gateway.directory / "web.log"

    def start(self) -> None:
        (self.gateway.runtime / "web").unlink(missing_ok=True)
        code = f"import sys; sys.path.insert(0, {str(self.gateway.directory / 'lib')!r}); from gaoler.web.main import main; sys.exit(main({str(packages())!r}))"
        words = [sys.executable, "-c", code, "--config", str(self.gateway.configuration)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self.log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True
        )
        until(self._serves, f"the page is served:\n{self.log.read_text()}")

    def _serves(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log.read_text()
        return (self.gateway.runtime / "web").exists()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process = None

    def service(self) -> int:
        """The process that speaks with browsers. LookupError when there is none just now."""
        assert self.process is not None
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(OSError):  # one that has ended since
                if b"gaoler.web.service" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        raise LookupError("nobody speaks with browsers")

    def restart_service(self, number: int = signal.SIGKILL) -> None:
        """As after a crash."""
        before = self.service()
        os.kill(before, number)
        until(lambda: self.other(before) and self.get("/api/host")[0] == 200, "the service is back")

    def other(self, before: int) -> bool:
        """Whether another process speaks with browsers now."""
        try:
            return self.service() != before
        except LookupError:
            return False

    # asking it as a program would

    def get(self, path: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
        return self.ask("GET", path, **options)

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {"Origin": self.address, **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.address + path, data=data, headers=sent, method=method)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except (urllib.error.URLError, http.client.IncompleteRead):
            return 0, {}, b""

    def log_in(self, user: User, password: str = PASSWORD) -> dict[str, str]:
        """Headers of a login."""
        status, headers, answer = self.ask("POST", "/api/login", {"user": user.name, "password": password})
        assert status == 200, answer
        cookie = SimpleCookie(headers["Set-Cookie"])["__Host-gaoler"]
        assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
        given = {"Cookie": f"__Host-gaoler={cookie.value}"}
        me = json.loads(self.get("/api/me", headers=given)[2])
        assert me["user"] == user.name
        return {**given, "X-Gaoler-Token": me["token"]}


def set_password(user: User, password: str = PASSWORD) -> None:
    subprocess.run(["chpasswd"], input=f"{user.name}:{password}\n", text=True, check=True, capture_output=True)


@contextmanager
def browser() -> Iterator[Browser]:
    # As root Chromium has no sandbox of its own; what it is shown here is ours. The certificate is our own, and taken by the whole
    # browser: a context's `ignore_https_errors` doesn't reach downloads on a new connection.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--ignore-certificate-errors", *ARGUMENTS]
    with quiet_network() as network, tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        program = Path(directory) / "chromium"
        program.write_text(f'#!/bin/sh\nexec {" ".join(network.command(CHROMIUM))} "$@"\n')
        program.chmod(0o755)
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield started
        finally:
            started.close()


def context(browser: Browser, **options: Any) -> BrowserContext:
    made = browser.new_context(
        ignore_https_errors=True, permissions=["clipboard-read", "clipboard-write"], **{"locale": "en-GB", **options}
    )
    made.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    return made


def log_in(tab: Tab, page: Page, user: User, password: str = PASSWORD, path: str = "/") -> None:
    tab.goto(page.address + path)
    tab.get_by_label(re.compile("^Name")).fill(user.name)
    tab.get_by_label(re.compile("^Pass")).fill(password)
    tab.locator("form button").click()


def axe_core() -> str:
    """The source of axe-core."""
    return (packages() / "axe-core/axe.min.js").read_text()


def look(tab: Tab, axe: str, where: str) -> list[str]:
    """What axe-core, whose source is `axe`, minds of what the tab shows. As a debugger: the page's policy takes no script of a test's."""
    debugger = tab.context.new_cdp_session(tab)
    debugger.send("Runtime.evaluate", {"expression": axe})
    asked = "axe.run(document, {exclude: ['.xterm']}).then(({violations}) => violations)"
    answer = debugger.send("Runtime.evaluate", {"expression": asked, "awaitPromise": True, "returnByValue": True})
    debugger.detach()
    assert "exceptionDetails" not in answer, answer
    return [
        f"{where}: {one['id']}: {node['target']} {node['failureSummary']}"
        for one in answer["result"]["value"]
        for node in one["nodes"]
    ]


class Watched:
    """What a tab complains of: nothing may."""

    def __init__(self, tab: Tab) -> None:
        self.complaints: list[str] = []
        tab.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        tab.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        """Refusals are shown by the page itself; what a terminal can't understand is its program's fault."""
        expected = re.compile("status of 4|^xterm.js: Parsing error")
        if message.type == "error" and not expected.search(message.text):
            self.complaints.append(message.text)
