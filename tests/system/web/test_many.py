"""A class that begins at the hour: forty logins at once, each with its list; one that is stuck keeps nobody waiting."""

from __future__ import annotations

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from system.support import page as support
from system.support import users
from system.support.gateway import Gateway
from system.support.page import Page

pytestmark = [pytest.mark.root, pytest.mark.machine]
PEOPLE, LOGINS = 4, 10


def test_forty_at_once(page: Page, gateway: Gateway) -> None:
    with ExitStack() as undo:
        people = [undo.enter_context(users.account(f"{gateway.prefix}pupil{number}")) for number in range(PEOPLE)]
        for person in people:
            support.set_password(person)

        def come(number: int) -> bytes:
            headers = page.log_in(people[number % PEOPLE])
            return page.ask("POST", "/api/call", {"method": "List", "parameters": {}}, headers=headers)[2]

        begun = time.monotonic()
        with ThreadPoolExecutor(PEOPLE * LOGINS) as pool:
            lists = list(pool.map(come, range(PEOPLE * LOGINS)))
        assert lists == [b'{"result": {"machines": []}}\n'] * (PEOPLE * LOGINS)
        assert time.monotonic() - begun < 60


def test_who_says_nothing_keeps_nobody_waiting(page: Page) -> None:
    """Connections that begin and don't go on, with TLS and without."""
    host, port = page.address.removeprefix("https://").split(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as open_ones:
        for number in range(100):
            sock = open_ones.enter_context(socket.create_connection((host, int(port))))
            if number % 4 == 0:
                open_ones.enter_context(context.wrap_socket(sock)).sendall(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Le")
        begun = time.monotonic()
        assert page.get("/api/host")[0] == 200
        assert time.monotonic() - begun < 10
