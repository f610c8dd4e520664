"""Terminals: shells in machines, which stay when the page that shows them goes away, and are there again when it is back.

A phone in a pocket loses its connections within seconds. So a terminal is the service's, with the last of what it has said; a
page attaches to it by its number. Over a restart of the service its sockets wait at the helper.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from typing import Any

from aiohttp import WSMsgType, web

from gaoler.errors import GaolerError, LimitReached, NotFound
from gaoler.web.channel import close
from gaoler.web.guard import SESSION, details, while_asked
from gaoler.web.hub import Hub
from gaoler.web.sessions import Session
from gaoler.web.speaking import CHUNK, Inside

REMEMBERED = 256 * 1024
"""Bytes of its last words that a page gets when it comes back: a screen, and some thousand lines before it."""
AHEAD = 1 << 20
"""Bytes that a page may lie behind before the machine has to wait: Ctrl-C is to be seen at once."""
TERMINALS_OF_ONE = 32
_ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
_log = logging.getLogger(__name__)


class Terminal:
    """One shell. At most one page shows it: a second one takes it over, as `tmux attach -d` does."""

    def __init__(self, name: str, uid: int, machine: str, inside: Inside, size: tuple[int, int], rescue: bool = False) -> None:
        self.name = name
        self.uid = uid
        self.machine = machine
        self.rescue = rescue
        """Whether it is in a machine that was made to look at this one's files."""
        self.inside = inside
        self.size = size
        self.said = bytearray()
        self.total = 0
        """Bytes it has said in all, and what of them the page has been sent."""
        self.sent = 0
        self.sending = asyncio.Lock()
        self.known = True
        """Whether it may have been shown to somebody before."""
        self.shown: web.WebSocketResponse | None = None
        self.behind = 0
        self.room = asyncio.Event()
        self.room.set()
        self.code: int | None = None

    def note(self) -> dict[str, Any]:
        return {"uid": self.uid, "machine": self.machine, "size": self.size, "rescue": self.rescue}

    async def run(self) -> None:
        """Hand on what it says, to its end."""
        while data := await self.inside.read():
            self.said += data
            self.total += len(data)
            del self.said[: max(0, len(self.said) - REMEMBERED)]
            await self._show()
            await self.room.wait()
        self.code = await self.inside.ended()
        if self.shown is not None:
            shown, self.shown = self.shown, None
            try:
                await shown.send_json({"ended": self.code, "why": self.inside.complaint or self.inside.killed})
                await shown.close()
            except (ConnectionError, RuntimeError):
                pass  # it has gone away meanwhile

    async def _show(self) -> None:
        """Send what the page has not had yet."""
        async with self.sending:
            shown, missing = self.shown, min(self.total - self.sent, len(self.said))
            if shown is None or not missing:
                return
            data = bytes(self.said[len(self.said) - missing :])
            self.sent = self.total
            self.behind += missing
            if self.behind > AHEAD:
                self.room.clear()
            try:
                await shown.send_bytes(data)
            except (ConnectionError, RuntimeError):
                if self.shown is shown:
                    self.detach()

    async def attach(self, sock: web.WebSocketResponse, size: tuple[int, int]) -> None:
        before = self.shown
        self.detach()
        if before is not None:
            await before.close(code=4409, message=b"shown elsewhere")
        async with self.sending:
            replay, self.sent, self.shown = bytes(self.said), self.total, sock
            # What nobody has seen yet isn't a replay: what it asks of a terminal is to be answered, and keys count at once.
            await sock.send_json({"terminal": self.name, "replay": len(replay) if self.known else 0})
            self.known = True
            await sock.send_bytes(replay)
        if not replay and size == self.size:
            self.inside.resize(max(1, size[0] - 1), size[1])  # a change makes programs draw what nobody remembers
        self.resize(*size)

    def detach(self) -> None:
        self.shown = None
        self.behind = 0
        self.room.set()

    def resize(self, rows: int, columns: int) -> None:
        self.size = (rows, columns)
        self.inside.resize(rows, columns)

    def acknowledge(self, size: int) -> None:
        self.behind = max(0, self.behind - size)
        if self.behind <= AHEAD // 2:
            self.room.set()


class Terminals:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._terminals: dict[str, Terminal] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        hub.on_end.append(self._logged_out)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/terminal", self.serve)]

    def take_over(self, name: str, note: dict[str, Any], descriptors: list[int]) -> None:
        """One from before a restart."""
        rows, columns = note["size"]
        rescue = bool(note.get("rescue"))
        inside = Inside(descriptors, note["uid"], passing=rescue)
        self._add(Terminal(name, note["uid"], note["machine"], inside, (rows, columns), rescue))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        session = request[SESSION]
        size = _size(request.query.get("rows"), request.query.get("columns"))
        machine, user = request.query.get("machine", ""), request.query.get("user", "root")
        rescue = "rescue" in request.query
        sock = web.WebSocketResponse(heartbeat=25, max_msg_size=1 << 20)
        await sock.prepare(request)
        session.sockets.add(sock)
        terminal: Terminal | None = None
        try:
            name = request.query.get("terminal", "")
            if name:
                terminal = self._found(session, name, machine, rescue)
            else:
                terminal = await self._opened(session, machine, user, size, rescue)
            await terminal.attach(sock, size)
            async with while_asked(request):
                await self._listen(sock, terminal)
        except GaolerError as error:
            await sock.send_json({"error": details(error)})
        except (ConnectionError, RuntimeError):
            pass  # the page has gone
        finally:
            session.sockets.discard(sock)
            if terminal is not None and terminal.shown is sock:
                terminal.detach()
        await sock.close()
        return sock

    async def _listen(self, sock: web.WebSocketResponse, terminal: Terminal) -> None:
        async for message in sock:
            if message.type == WSMsgType.BINARY:
                for at in range(0, len(message.data), CHUNK):
                    if not await terminal.inside.write(message.data[at : at + CHUNK]):
                        break
            elif message.type == WSMsgType.TEXT:
                try:
                    said = json.loads(message.data)
                except ValueError:
                    continue
                match said:
                    case {"size": [int(rows), int(columns)]}:
                        terminal.resize(*_size(rows, columns))
                    case {"seen": int(size)}:
                        terminal.acknowledge(size)
                    case {"end": True}:
                        terminal.inside.hang_up()  # the page that wants its end is to hear of it

    def _found(self, session: Session, name: str, machine: str, rescue: bool) -> Terminal:
        """Raises NotFound."""
        found = self._terminals.get(name)
        if found is None or (found.uid, found.machine, found.rescue) != (session.uid, machine, rescue):
            raise NotFound("that terminal has ended", "its shell has, or its machine", "gaol shell NAME")
        return found

    async def _opened(self, session: Session, machine: str, user: str, size: tuple[int, int], rescue: bool) -> Terminal:
        """Raises GaolerError."""
        if sum(terminal.uid == session.uid for terminal in self._terminals.values()) >= TERMINALS_OF_ONE:
            why = f"{TERMINALS_OF_ONE} at once is the page's limit"
            raise LimitReached("you have too many terminals", why, "exit")
        command = {
            "arguments": [],
            "user": user,
            "login": True,
            "terminal": {"rows": size[0], "columns": size[1]},
            "environment": _ENVIRONMENT,
        }
        inside = await Inside.open(session, machine, command, rescue=rescue)
        terminal = Terminal(secrets.token_urlsafe(12), session.uid, machine, inside, size, rescue)
        terminal.known = False
        self._add(terminal)
        copies = inside.duplicates()
        self.hub.keep(f"terminal:{terminal.name}", terminal.note(), copies)
        close(copies)
        return terminal

    def _add(self, terminal: Terminal) -> None:
        self._terminals[terminal.name] = terminal
        task = asyncio.ensure_future(self._run(terminal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, terminal: Terminal) -> None:
        try:
            await terminal.run()
        except OSError as error:
            _log.info("a terminal broke: %s", error)
        finally:
            self._terminals.pop(terminal.name, None)
            self.hub.drop(f"terminal:{terminal.name}")
            terminal.inside.close()

    def _end(self, terminal: Terminal) -> None:
        """Its shell gets SIGHUP, as when a window is closed."""
        terminal.detach()
        terminal.inside.hang_up()

    def _logged_out(self, session: Session) -> None:
        if self.hub.sessions.of(session.uid):
            return
        for terminal in list(self._terminals.values()):
            if terminal.uid == session.uid:
                self._end(terminal)


def _size(rows: Any, columns: Any) -> tuple[int, int]:
    try:
        return max(1, min(int(rows), 500)), max(1, min(int(columns), 1000))
    except (TypeError, ValueError):
        return 24, 80
