"""A class that begins at the hour: everybody logs in with an account of their own, starts a machine, and types or looks at a desktop.

`sudo make crowd` has forty of them, ten with a desktop; PEOPLE=N and DESKTOPS=N are others.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

from system.support import page as support
from system.support import users
from system.support.gateway import Gateway
from system.support.page import Page
from system.support.users import User
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine]
CROWD = int(os.environ.get("GAOLER_TEST_CROWD", "4"))
DESKTOPS = int(os.environ.get("GAOLER_TEST_DESKTOPS", "") or max(1, CROWD // 4))
LONG = 10 * PATIENCE
"""Seconds until somebody gives up; the figures are for whoever reads them, since they are the host's as well."""


@pytest.mark.timeout(LONG * 2)
def test_a_class_begins_at_the_hour(page: Page, gateway: Gateway) -> None:
    with ExitStack() as undo:
        people = [undo.enter_context(users.account(f"{gateway.prefix}pupil{number}")) for number in range(CROWD)]
        undo.callback(gateway.remove_machines)
        for person in people:
            support.set_password(person)
        with ThreadPoolExecutor(CROWD) as pool:  # not in this thread: playwright may have a loop in it
            times = list(pool.map(lambda number: come(page, people[number], number), range(CROWD)))
    for what, seconds in (("a picture of a desktop", times[:DESKTOPS]), ("an answer in a terminal", times[DESKTOPS:])):
        if seconds:
            took = f"{statistics.median(seconds):.1f} s, the last {max(seconds):.1f} s"
            print(f"{len(seconds)} of {CROWD} people, login to {what}: {took}")


def come(page: Page, person: User, number: int) -> float:
    """Seconds from the login until they have what they came for."""
    begun = time.monotonic()
    headers = page.log_in(person)
    desktop = number < DESKTOPS
    spec = {"network": False, "memory": (512 if desktop else 256) << 20}
    call = {"method": "Up", "parameters": {"name": "class", "spec": spec}}
    status, _, told = page.ask("POST", "/api/call", call, headers=headers)
    assert status == 200 and b'"ready"' in told.splitlines()[-1], told
    asyncio.run(open_it(page, headers, desktop=desktop))
    return time.monotonic() - begun


async def open_it(page: Page, headers: dict[str, str], *, desktop: bool) -> None:
    address = f"{page.address}/api/{'desktop' if desktop else 'terminal'}?machine=class"
    asked = {**headers, "Origin": page.address}
    async with (
        asyncio.timeout(LONG),
        ClientSession(connector=TCPConnector(ssl=False)) as client,
        client.ws_connect(address, headers=asked, max_msg_size=0) as sock,
    ):
        await (Screen(sock).show_something() if desktop else answer(sock))


async def answer(sock: ClientWebSocketResponse) -> None:
    await sock.send_bytes(b"echo it is $((6 * 7)).\r")
    heard = b""
    while not re.search(rb"it is 42\.", heard):
        data = (await sock.receive()).data
        heard += data if isinstance(data, bytes) else b""


class Screen:
    """A desktop over RFB 3.8, as raw pixels."""

    def __init__(self, sock: ClientWebSocketResponse) -> None:
        self.sock = sock
        self._heard = bytearray()

    async def read(self, count: int) -> bytes:
        while len(self._heard) < count:
            message = await self.sock.receive()
            assert isinstance(message.data, bytes), message
            self._heard += message.data
        taken = bytes(self._heard[:count])
        del self._heard[:count]
        return taken

    async def show_something(self) -> None:
        """Until the picture has more than one colour."""
        await self.read(12)
        await self.sock.send_bytes(b"RFB 003.008\n")
        kinds = await self.read((await self.read(1))[0])
        assert 1 in kinds, f"without a password: {kinds!r}"
        await self.sock.send_bytes(b"\1")
        assert await self.read(4) == bytes(4)
        await self.sock.send_bytes(b"\1")
        width, height = struct.unpack(">HH", await self.read(4))
        bits = (await self.read(16))[0]
        await self.read(struct.unpack(">I", await self.read(4))[0])
        colours: set[bytes] = set()
        while len(colours) < 2:
            await self.sock.send_bytes(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
            colours |= await self._update(bits // 8)

    async def _update(self, size: int) -> set[bytes]:
        """The colours of the next update."""
        while (kind := (await self.read(1))[0]) != 0:
            if kind == 3:
                await self.read(struct.unpack(">3xI", await self.read(7))[0])
            else:
                assert kind == 2, kind
        found: set[bytes] = set()
        for _ in range(struct.unpack(">xH", await self.read(3))[0]):
            _, _, width, height, encoding = struct.unpack(">HHHHi", await self.read(12))
            assert encoding == 0, encoding
            pixels = await self.read(width * height * size)
            found |= {pixels[at : at + size] for at in range(0, len(pixels), size * 97)}
        return found
