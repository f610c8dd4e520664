"""A class that begins at the hour: all log in, start and type at once; one that is stuck keeps nobody waiting.

`sudo make crowd` has forty with an account each, and desktops."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from aiohttp import ClientSession, TCPConnector

from system.support import page as support
from system.support import users
from system.support.gateway import Gateway
from system.support.page import Page
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine]
CROWD = 8
PEOPLE = 4
"""Accounts: a person may have several logins, and as many terminals."""


def test_all_at_once(page: Page, gateway: Gateway) -> None:
    """Each logs in, starts their machine, opens a terminal in it, and types."""
    with ExitStack() as undo:
        people = [undo.enter_context(users.account(f"{gateway.prefix}pupil{number}")) for number in range(PEOPLE)]
        undo.callback(gateway.remove_machines)
        for person in people:
            support.set_password(person)

        def come(number: int) -> dict[str, str]:
            headers = page.log_in(people[number % PEOPLE])
            parameters = {"name": "class", "spec": {"network": False}}
            _, _, told = page.ask("POST", "/api/call", {"method": "Up", "parameters": parameters}, headers=headers)
            made = json.loads(told.splitlines()[-1])
            assert "result" in made and made["result"]["machine"]["state"] == "ready", made
            return headers

        begun = time.monotonic()
        with ThreadPoolExecutor(CROWD) as pool:
            logins = list(pool.map(come, range(CROWD)))
            inside = time.monotonic()
            # Not in this thread: playwright may have a loop in it.
            said = pool.submit(lambda: asyncio.run(type_in_all(page, logins))).result()
        print(f"{CROWD} logins with machines: {inside - begun:.1f} s, terminals: {time.monotonic() - inside:.1f} s")
        assert said == [f"is {number * 2}" for number in range(CROWD)]


async def type_in_all(page: Page, logins: list[dict[str, str]]) -> list[str]:
    """What a program says in a terminal of each login, all open at once."""
    async with ClientSession(connector=TCPConnector(ssl=False, limit=0)) as client:

        async def work(number: int) -> str:
            headers = {**logins[number], "Origin": page.address}
            async with client.ws_connect(f"{page.address}/api/terminal?machine=class", headers=headers, max_msg_size=0) as sock:
                await sock.send_bytes(f"echo 'is' $(({number} * 2)).\r".encode())
                heard = b""
                while not (found := re.search(rb"(is \d+)\.", heard)):
                    heard += data if isinstance(data := (await sock.receive(PATIENCE * 2)).data, bytes) else b""
                return found[1].decode()

        return await asyncio.gather(*map(work, range(len(logins))))


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
        assert time.monotonic() - begun < PATIENCE
