"""Files up and down, with names of all kinds, and halves that are none."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]
NAMES = ["plain.txt", "grüße 漢字.txt", "-rf", "a'b\"c$(id)`id`;#&.txt", "<b>x<b>", "%2e%2e%2f"]


@pytest.fixture
def web(gateway: Gateway, ann: User) -> Iterator[Machine]:
    with running(gateway, ann, "web", "--no-network", "--no-home") as machine:
        yield machine


@pytest.fixture
def files(anns: Tab, page: Page, web: Machine, ann: User) -> Tab:
    web.sh(f"rm -rf /home/{ann.name}/* /home/{ann.name}/.[a-z]*")
    anns.goto(f"{page.address}/m/web/files")
    expect(anns.get_by_text("Nothing in here")).to_be_visible()
    return anns


def test_up_and_down_by_any_name(files: Tab, web: Machine, ann: User) -> None:
    for number, name in enumerate(NAMES):
        content = f"{number}".encode() * 100_000
        with files.expect_file_chooser() as chooser:
            files.get_by_role("button", name="Upload").click()
        chooser.value.set_files({"name": name, "mimeType": "text/html", "buffer": content})
        entry = files.locator("a.entry", has_text=name)
        expect(entry).to_be_visible()
        with files.expect_download() as download:
            entry.click()
        with open(download.value.path(), "rb") as got:
            assert got.read() == content, name
    assert set(web.sh(f"ls -1 /home/{ann.name}").splitlines()) == set(NAMES)


def test_directories(files: Tab, web: Machine, ann: User) -> None:
    files.get_by_role("button", name="New folder").click()
    files.get_by_label("Name of the folder").fill("deep & wide")
    files.get_by_role("button", name="OK").click()
    files.get_by_role("button", name="deep & wide", exact=True).click()
    expect(files.get_by_text("Nothing in here")).to_be_visible()
    web.sh(
        f"cd '/home/{ann.name}/deep & wide' && seq 5 > numbers && mkdir sub && ln -s /etc/passwd link && ln -s nowhere dead && mkfifo pipe && touch \"$(printf 'new\\nline')\""
    )
    files.reload()
    expect(files.locator("tbody tr")).to_have_count(5)
    files.get_by_role("button", name="More for numbers").click()
    files.get_by_role("menuitem", name="Delete numbers").click()
    files.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(files.locator("tbody tr")).to_have_count(4)
    files.get_by_role("navigation", name="Path").get_by_role("button", name=ann.name).click()
    with files.expect_download() as download:
        files.get_by_role("button", name="More for deep & wide").click()
        files.get_by_role("menuitem", name="Download").click()
    assert download.value.suggested_filename == "deep & wide.tar.gz"


def test_a_large_file_comes_whole(page: Page, web: Machine, ann: User) -> None:
    headers = page.log_in(ann)
    wanted = web.sh("head -c 30000000 /dev/urandom > /root/large && sha256sum < /root/large").split()[0]
    status, _, got = page.get("/api/file?machine=web&path=/root/large", headers=headers)
    assert status == 200 and hashlib.sha256(got).hexdigest() == wanted


def test_downloads_are_never_shown(page: Page, web: Machine, ann: User) -> None:
    headers = page.log_in(ann)
    web.sh("echo '<script>alert(1)</script>' > /root/x.html")
    _, given, _ = page.get("/api/file?machine=web&path=/root/x.html", headers=headers)
    assert given["Content-Type"] == "application/octet-stream" and given["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in given["Content-Security-Policy"] and given["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../../b", ""])
def test_an_upload_stays_in_its_directory(page: Page, web: Machine, ann: User, name: str) -> None:
    headers = page.log_in(ann)
    assert page.ask("PUT", f"/api/file?machine=web&path=/root&name={quote(name)}", {"x": 1}, headers=headers)[0] == 400


def test_what_is_not_there_is_told(page: Page, web: Machine, ann: User) -> None:
    headers = page.log_in(ann)
    for path in ("/root/nothing", "/dev/null", "/proc/1/mem"):
        assert page.get(f"/api/file?machine=web&path={path}", headers=headers)[0] in (0, 404, 409), (
            path
        )  # 0: cut off in the middle


def test_who_goes_away_in_the_middle_leaves_no_traceback(page: Page, web: Machine, ann: User) -> None:
    """A download that breaks off, an upload, a terminal, the desktop's socket, and what is pushed."""
    headers = page.log_in(ann)
    web.sh("truncate -s 8G /root/endless")
    known = page.log.stat().st_size
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA" * 11 + "==",
    }
    host, port = page.address.removeprefix("https://").split(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("GET", "/api/file?machine=web&path=/root/endless", {}),
        ("PUT", "/api/file?machine=web&path=/root&name=half", {"Content-Length": "90000000"}),
        ("GET", "/api/terminal?machine=web", upgrade),
        ("GET", "/api/desktop?machine=web", upgrade),
        ("GET", "/api/live", upgrade),
    ]
    for method, path, more, reset in [(*one, reset) for one in asked for reset in (False, True)]:
        said = "".join(
            f"{name}: {value}\r\n"
            for name, value in {**headers, "Host": f"{host}:{port}", "Origin": page.address, **more}.items()
        )
        with socket.create_connection((host, int(port)), PATIENCE) as plain, context.wrap_socket(plain) as sock:
            sock.sendall(f"{method} {path} HTTP/1.1\r\n{said}\r\n".encode())
            if method == "PUT":
                sock.sendall(b"x" * 1_000_000)
                until(lambda: web.sh("ls -A /root | grep gaol-up || true"), "the upload has begun")
            else:
                came = sock.recv(1000)
                assert came.startswith(b"HTTP/1.1 101 " if more is upgrade else b"HTTP/1.1 200 "), (path, came)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left = "grep -lx cat /proc/[0-9]*/comm 2>/dev/null; ls -A /root | grep gaol-up"
    until(lambda: web.sh(f"{{ {left}; }} || true") == "", "what ran inside for them has ended")
    assert page.get("/api/host")[0] == 200
    said = page.log.read_bytes()[known:].decode()
    assert "Traceback" not in said and "Error" not in said, said
    assert web.sh("ls /root/half 2>/dev/null || echo none") == "none"
