"""Speaking with the daemon as who is logged in: requests, and streams of what runs inside.

The client blocks, so each request has a thread; what runs inside a machine is sockets, which the loop reads itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gaoler.client import Gaoler
from gaoler.client.session import FRAME, FRAME_LIMIT, GAOLER_FAILED
from gaoler.errors import Failed, GaolerError, LimitReached, Unreachable
from gaoler.web.channel import Gone
from gaoler.web.sessions import Session
from gaoler.wire.framing import ProtocolError

CHUNK = 64 * 1024
COMPLAINT = 4096
"""Bytes kept of what a command says on standard error."""
CALLS_OF_ONE = 32
"""Requests of a user that wait for the daemon at once, a thread each."""
STREAMS_OF_ONE = 128
"""Commands of a user that run in machines for the page at once: terminals, desktops, files."""
_POOL = ThreadPoolExecutor(512, "call")
_busy: Counter[int] = Counter()
_streams: Counter[int] = Counter()
_T = TypeVar("_T")


def in_turn(session: Session, work: Callable[[], _T]) -> Awaitable[_T]:
    """Do what may block, in a thread. Raises LimitReached: nobody takes the threads that others need."""
    if _busy[session.uid] >= CALLS_OF_ONE:
        why = f"{CALLS_OF_ONE} requests that wait is the page's limit"
        raise LimitReached("you are asking for too much at once", why, "gaol ls")
    loop, uid = asyncio.get_running_loop(), session.uid
    _busy[uid] += 1

    def over(_: object) -> None:
        _busy[uid] -= 1

    future = _POOL.submit(work)
    # When it has ended, and not when nobody waits for it any more.
    future.add_done_callback(lambda done: loop.is_closed() or loop.call_soon_threadsafe(over, done))
    return asyncio.wrap_future(future)


def connect(session: Session) -> Gaoler:
    """A connection to the daemon that was opened by the user. Raises Unreachable; blocks."""
    with session.lock:
        try:
            session.channel.send({"connect": True})
            reply, descriptors = session.channel.receive()
        except Gone:
            raise Unreachable("you are not logged in any more", "the session has ended", "gaol ls") from None
    if not descriptors:
        raise Unreachable("the gaoler daemon does not answer", str(reply.get("error", "")), "gaol doctor")
    return Gaoler.over(descriptors[0])


async def call(session: Session, method: str, **parameters: Any) -> dict[str, Any]:
    """The last reply. Raises GaolerError."""

    def work() -> dict[str, Any]:
        with connect(session) as gaoler:
            return gaoler.call(method, **parameters)

    return await in_turn(session, work)


async def methods(session: Session) -> list[str]:
    """The names of the daemon's requests, as its own description has them. Raises GaolerError."""

    def work() -> list[str]:
        with connect(session) as gaoler:
            question = {"method": "org.varlink.service.GetInterfaceDescription", "parameters": {"interface": "org.gaoler"}}
            try:
                gaoler.connection.send(question)
                described = gaoler.connection.receive()["parameters"]["description"]
            except (ProtocolError, KeyError) as error:
                raise Unreachable("the gaoler daemon answers nonsense", str(error), "gaol doctor") from None
            return re.findall(r"^method (\w+)\(", described, re.MULTILINE)

    return await in_turn(session, work)


async def replies(session: Session, method: str, parameters: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Each reply as it comes: those before the last have `step`. Raises GaolerError. The request goes on when nobody listens."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[dict[str, Any] | GaolerError | None] = asyncio.Queue()

    def tell(item: dict[str, Any] | GaolerError | None) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, item)

    def work() -> None:
        try:
            with connect(session) as gaoler:
                for reply in gaoler.replies(method, parameters):
                    tell(reply)
            tell(None)
        except GaolerError as error:
            tell(error)
        except Exception as error:
            tell(Failed("the page made a mistake", f"{type(error).__name__}: {error}", "journalctl -u gaoler-web"))
            raise

    waited = in_turn(session, work)
    while (item := await queue.get()) is not None:
        if isinstance(item, GaolerError):
            raise item
        yield item
    await waited


class Inside:
    """A command that runs in a machine (docs/explanation/design.md, Sessions). With a terminal there is one stream both ways."""

    def __init__(self, descriptors: list[int], uid: int, *, passing: bool = False, welcome: str = "") -> None:
        """`passing`: the last descriptor is the connection that a machine lives for, which is thrown away after it.

        `welcome` is what the machine's base tells in its first shell; it is read first.
        """
        self._welcome = welcome
        self.sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for sock in self.sockets:
            sock.setblocking(False)
        self.control, self.input = self.sockets[:2]
        self.output = self.input if len(self.sockets) - passing == 2 else self.sockets[2]
        self.complaint = ""
        self.killed = ""
        """What was killed for want of memory while it ran, as the machine tells; nothing where nothing was."""
        self._uid = uid
        _streams[uid] += 1
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, session: Session, machine: str, command: dict[str, Any], *, rescue: bool = False) -> Inside:
        """`rescue`: in a fresh machine of its base, with the files of this one, which is down, at /mnt. Raises GaolerError."""
        if _streams[session.uid] >= STREAMS_OF_ONE:
            why = f"{STREAMS_OF_ONE} terminals, desktops and files at once is the page's limit"
            raise LimitReached("you have too much open", why, "exit")

        def work() -> tuple[list[int], str]:
            with connect(session) as gaoler:
                if not rescue:
                    reply = gaoler.call("Exec", name=machine, command=command)
                    return gaoler.descriptors(), str(reply.get("welcome") or "")
                for _ in gaoler.replies("Rescue", {"name": machine, "command": command}):
                    if descriptors := gaoler.descriptors():
                        return [*descriptors, os.dup(gaoler.connection.sock.fileno())], ""
                raise Unreachable("the gaoler daemon answers nonsense", "a machine without streams", "gaol doctor")

        descriptors, welcome = await in_turn(session, work)
        return cls(descriptors, session.uid, passing=rescue, welcome=welcome)

    async def read(self) -> bytes:
        """What comes next; nothing at the end."""
        if self._welcome:
            text, self._welcome = self._welcome, ""
            return f"{clean(text)}\n".replace("\n", "\r\n").encode()
        try:
            return await self._loop.sock_recv(self.output, CHUNK)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    async def write(self, data: bytes) -> bool:
        """False when nobody reads it any more."""
        try:
            await self._loop.sock_sendall(self.input, data)
        except OSError:
            return False
        return True

    def end_input(self) -> None:
        try:
            self.input.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has ended meanwhile

    def resize(self, rows: int, columns: int) -> None:
        payload = struct.pack("<HH", rows, columns)
        try:
            self.control.send(FRAME.pack(b"W", len(payload)) + payload)
        except OSError:
            pass  # it has ended meanwhile, or is so stuck that no size matters

    async def ended(self) -> int:
        """The command's exit code, once it has ended; 125 with a complaint where the machine failed and not the command."""
        frames = bytearray()
        while True:
            try:
                data = await self._loop.sock_recv(self.control, CHUNK)
            except OSError:
                data = b""
            frames += data
            while len(frames) >= FRAME.size:
                kind, length = FRAME.unpack_from(frames)
                if length > FRAME_LIMIT:
                    data = b""
                    break
                if len(frames) < FRAME.size + length:
                    break
                payload = bytes(frames[FRAME.size : FRAME.size + length])
                del frames[: FRAME.size + length]
                if kind == b"E" and length >= 2:
                    self.killed = clean(payload[2:].decode(errors="replace"))[:200]
                    return payload[1] + (128 if payload[0] else 0)
                if kind == b"F" and length:
                    self.complaint = payload[1:].decode(errors="replace")[:500]
                    return payload[0]
            if not data:
                self.complaint = "the machine ended before the command did"
                return GAOLER_FAILED

    async def complaints(self) -> str:
        """What it says on standard error, to the end; the first of it is kept."""
        kept = bytearray()
        while True:
            try:
                data = await self._loop.sock_recv(self.sockets[3], CHUNK)
            except OSError:
                data = b""
            if not data:
                return clean(kept.decode(errors="replace")).strip()
            kept += data[: COMPLAINT - len(kept)]

    def duplicates(self) -> list[int]:
        return [os.dup(sock.fileno()) for sock in self.sockets]

    def hang_up(self) -> None:
        """What runs gets SIGHUP, and 3 s later SIGKILL; its end is told as usual."""
        for sock in (self.control, self.input):
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has ended meanwhile

    def close(self) -> None:
        if self.sockets:
            _streams[self._uid] -= 1
        for sock in self.sockets:
            sock.close()
        self.sockets = []


async def capture(
    session: Session, machine: str, argv: list[str], user: str, limit: int = 1 << 20, patience: float = 20.0
) -> bytes:
    """What a command inside says. Raises GaolerError when it fails, says more than `limit` bytes, or takes too long."""
    inside = await Inside.open(session, machine, {"arguments": argv, "user": user})
    said = asyncio.ensure_future(inside.complaints())
    try:
        async with asyncio.timeout(patience):
            inside.end_input()
            output = bytearray()
            while data := await inside.read():
                output += data
                if len(output) > limit:
                    raise Failed(f"{machine} says too much", f"more than {limit} bytes", "gaol shell NAME")
            code, complaint = await inside.ended(), await said
    except TimeoutError:
        raise Failed(f"{machine} does not answer", f"after {patience:g} s", f"gaol log {machine}") from None
    finally:
        said.cancel()
        inside.close()
    if code:
        why = complaint or inside.complaint or inside.killed or f"the command ended with {code}"
        raise Failed(f"{machine} refuses", why, "gaol ls")
    return bytes(output)


def clean(text: str) -> str:
    """Hostile text without its controls."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )
