"""Talk to the daemon: the library behind `gaol`, for teachers' scripts too.

    from gaoler.client import Gaoler
    with Gaoler() as gaoler:
        print(gaoler.up("web")["address"])

Only the standard library, so that a command line starts fast; replies are the dictionaries of `org.gaoler`.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_STREAM, socket  # what is below `socket`, which takes 7 ms to import

from gaoler.client.methods import Methods
from gaoler.errors import Unreachable, Usage, with_code
from gaoler.installation import unit
from gaoler.wire.framing import MESSAGE_LIMIT, REPLY_LIMIT, Closed, Connection, ProtocolError, TooLong

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from gaoler.client.methods import Progress

_UNITS = "/etc/systemd/system"
DEFAULT_SOCKET = "/run/gaoler/gaoler.sock"


class Gaoler(Methods):
    """A connection to the daemon. Methods raise GaolerError; one call at a time."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or os.environ.get("GAOLER_SOCKET") or DEFAULT_SOCKET
        sock = socket(AF_UNIX, SOCK_STREAM)
        try:
            sock.connect(self.path)
        except OSError as error:
            sock.close()
            raise Unreachable(
                "the gaoler daemon does not answer",
                f"{self.path}: {error.strerror or error}",
                f"gaol doctor; as root: {how_to_start()}",
            ) from None
        self.connection = Connection(sock, REPLY_LIMIT)

    @classmethod
    def over(cls, descriptor: int) -> Gaoler:
        """Over a socket that is connected already: the daemon takes us for whoever connected it."""
        gaoler = cls.__new__(cls)
        gaoler.path = "the given socket"
        gaoler.connection = Connection(socket(fileno=descriptor), REPLY_LIMIT)
        return gaoler

    def __enter__(self) -> Gaoler:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def replies(self, method: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Call, and yield the parameters of each reply until the last one."""
        given = {key: value for key, value in parameters.items() if value is not None}
        try:
            self._send({"method": f"org.gaoler.{method}", "parameters": given, "more": True})
            while True:
                reply = self.connection.receive()
                if "error" in reply:
                    raise _error(reply)
                yield reply.get("parameters", {})
                if not reply.get("continues"):
                    return
        except Closed:
            raise Unreachable("the gaoler daemon went away", "it closed the connection", "gaol doctor") from None
        except ProtocolError as error:
            raise Unreachable("the gaoler daemon answers nonsense", str(error), "gaol doctor") from None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.connection.send(message, limit=MESSAGE_LIMIT)
        except TooLong:
            raise Usage(
                "the command line is too long",
                f"gaoler takes {MESSAGE_LIMIT >> 20} MiB of it",
                "gaol cp FILE NAME:PATH",
            ) from None
        except Closed:
            # It may have said why before it closed. If not, there is nothing to receive, either.
            if "error" in (reply := self.connection.receive()):
                raise _error(reply) from None

    def call(self, method: str, progress: Progress | None = None, /, **parameters: Any) -> dict[str, Any]:
        """Call and return the last reply; the ones before go to `progress`."""
        last: dict[str, Any] = {}
        for last in self.replies(method, parameters):
            if progress and "step" in last:
                progress(last)
        return last

    def descriptors(self) -> list[int]:
        """The descriptors that came with the last reply; the caller closes them."""
        return self.connection.take_descriptors()


def how_to_start() -> str:
    """What starts the daemon of our installation: its unit, where it has one."""
    has_unit = os.path.isdir("/run/systemd/system") and os.path.exists(f"{_UNITS}/{unit('gaoler.service')}")
    return "systemctl start gaoler" if has_unit else "make up, in gaoler's checkout"


def _error(reply: dict[str, Any]) -> Exception:
    if reply["error"] == "org.gaoler.Error":
        details = reply.get("parameters", {})
        return with_code(
            int(details.get("code", 1)),
            str(details.get("what", "it failed")),
            str(details.get("why", "")),
            str(details.get("hint", "")),
        )
    return with_code(2, "the daemon does not know that request", str(reply["error"]), "gaol --version; gaoler --version")
