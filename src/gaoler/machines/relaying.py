"""Passes on what comes through several pairs of sockets, for as long as somebody may use them: a friend's session.

One's own session is not relayed: its sockets are its owner's. This one must end when what was granted ends, whatever the
program inside or its user does: a program that ignores the hang-up would go on with its input and output.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

_LOOK_AGAIN = 1.0
"""Seconds until it is asked again whether that holds."""
_CHUNK = 65536
_AT_END = 5
"""Looks without anything to pass on, after the command's end, until what is left is given up."""


class _Way:
    """One direction of a pair."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.held = b""
        self.is_over = False

    def wants(self) -> tuple[socket.socket, int]:
        return (self.sink, select.POLLOUT) if self.held else (self.source, select.POLLIN)

    def go_on(self) -> None:
        """Take or give what is there, without waiting."""
        try:
            if self.held:
                self.held = self.held[self.sink.send(self.held) :]
                return
            self.held = self.source.recv(_CHUNK)
            if not self.held:
                self.end()
        except BlockingIOError:
            pass
        except OSError:  # either side has gone
            self.end()

    def end(self) -> None:
        """Its end of file is passed on, too; the other direction goes on."""
        self.is_over, self.held = True, b""
        with suppress(OSError):
            self.sink.shutdown(socket.SHUT_WR)


def relay(pairs: Sequence[tuple[socket.socket, socket.socket]], may: Callable[[], bool]) -> None:
    """Until the first pair, the control connection, has ended on either side, or `may` says no more. Closes all of them.

    Each pair is a socket of the user's, and the one inside that it is for. What was under way from inside still arrives when
    the command has ended.
    """
    ins, outs = [_Way(user, inside) for user, inside in pairs], [_Way(inside, user) for user, inside in pairs]
    try:
        for one in (end for pair in pairs for end in pair):
            one.setblocking(False)
        quiet = 0
        while may() and not ins[0].is_over and not all(way.is_over for way in outs) and quiet < _AT_END:
            moved = _turn([way for way in (*ins, *outs) if not way.is_over])
            quiet = 0 if moved or not outs[0].is_over else quiet + 1
    finally:
        for one in (end for pair in pairs for end in pair):
            one.close()


def _turn(ways: Sequence[_Way]) -> bool:
    """Wait for a second at most; False where nothing could be done."""
    poller = select.poll()
    waiting: dict[int, list[tuple[int, _Way]]] = {}
    for way in ways:
        sock, event = way.wants()
        waiting.setdefault(sock.fileno(), []).append((event, way))
    for descriptor, wanted in waiting.items():
        events = 0
        for event, _ in wanted:
            events |= event
        poller.register(descriptor, events)
    ready = poller.poll(_LOOK_AGAIN * 1000)
    for descriptor, seen in ready:
        for event, way in waiting[descriptor]:
            if seen & (event | select.POLLHUP | select.POLLERR):
                way.go_on()
    return bool(ready)
