"""The socket: connections, their bounds, and the way from a message to a method and back.

A thread serves a connection; how many there may be (door.py), how large and how slow a message may be, and how much of the
daemon's time a user may take, is bounded. No error of a resource ends the daemon: whoever came is turned away, and the next one
is asked in. Replies go out in Varlink's form.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gaoler.daemon import introspection
from gaoler.daemon.caller import Caller, identify
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.door import Door
from gaoler.daemon.journal import Journal
from gaoler.daemon.methods import HANDLERS
from gaoler.daemon.parts import Parts
from gaoler.daemon.shares import Shares
from gaoler.errors import Failed, GaolerError, LimitReached, Usage
from gaoler.host.peer import peer
from gaoler.machines.asking import Asker, asked_by
from gaoler.machines.pace import Pace
from gaoler.machines.tally import Tally
from gaoler.wire.framing import LARGE, Closed, Connection, ProtocolError
from gaoler.wire.requests import Request

LARGE_OF_ONE = 4
"""Connections of one user with a large message, at once: a command line of a megabyte takes ten while it is read."""
PATIENCE = 30.0
"""Seconds for a whole message to arrive once a connection is there."""
REFUSALS = (0.1, 0.1)
"""Seconds of a processor that turning people away may take at once, and a second from then on; the queue waits meanwhile, which
holds 128 and costs an honest caller some 0.1 s."""
_AGAIN = 0.1
"""Seconds until the next try where the host has no descriptor, thread or memory to spare."""
_INTERFACE = "org.gaoler."
_log = logging.getLogger(__name__)


class Server:
    """Serve the methods on one AF_UNIX socket."""

    def __init__(self, path: Path, parts: Parts, tally: Tally, journal: Journal) -> None:
        self.path = path
        self._journal = journal
        self._parts = parts
        self._tally = tally
        self._door = Door()
        self._refusals = Pace(*REFUSALS)
        self._large: Counter[int] = Counter()
        self._shares = Shares()
        self._lock = threading.Lock()
        self._listener = _listen(path)

    def serve(self, wake: int | None = None) -> None:
        """Accept connections until the listener is closed.

        `wake` is a descriptor that is readable when a signal has come (signal.set_wakeup_fd): the kernel may hand it to
        another thread than this one, which would go on waiting here, and it is this one that runs the handler.
        """
        poller = select.poll()
        if wake is not None:
            poller.register(wake, select.POLLIN)
        poller.register(self._listener, select.POLLIN)
        while self._listener.fileno() >= 0:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if wake is not None and wake in ready:
                os.read(wake, 512)
                continue
            try:
                sock, _ = self._listener.accept()
                self._ask_in(sock)
            except BlockingIOError:
                continue  # who came has gone already
            except Exception as error:  # out of descriptors, threads or memory, most likely: some will come back
                if self._listener.fileno() < 0:
                    return
                _log.error("can't accept: %s", error)
                threading.Event().wait(_AGAIN)

    def _ask_in(self, sock: socket.socket) -> None:
        """Serve a connection in a thread of its own, or turn it away. Raises whatever the host lacks; it is closed then."""
        begun = self._shares.used()
        with ExitStack() as undo:
            undo.callback(sock.close)
            uid = peer(sock).uid
            try:
                self._door.enter(uid)
            except LimitReached as error:
                self._tally.answered("connect", error)
                _turn_away(sock, error)
                taken = self._shares.used() - begun
                self._shares.take(uid, taken)
                threading.Event().wait(self._refusals.take(taken))
                return
            undo.callback(self._door.leave, uid)
            sock.settimeout(PATIENCE)
            try:
                threading.Thread(target=self._converse, args=(sock, uid), name="connection", daemon=True).start()
            except (RuntimeError, MemoryError) as error:
                _turn_away(sock, _host_lacks(error))
                raise
            undo.pop_all()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _converse(self, sock: socket.socket, uid: int) -> None:
        connection = Connection(sock)
        try:
            with self._large_of(uid) as connection.large, self._shares.of(uid) as share:
                share.wait()
                caller = identify(sock, self._parts.configuration.daemon.admin_group, self._parts.accounts.known)
                while True:
                    message = connection.receive(PATIENCE)
                    for descriptor in connection.take_descriptors():
                        os.close(descriptor)  # no method takes any
                    share.wait()
                    self._answer(connection, caller, message)
        except GaolerError as error:
            self._tally.answered("connect", error)
            _try_send(connection, _error(error))
        except Closed:
            pass
        except (ProtocolError, TimeoutError) as error:
            _try_send(
                connection, _error(Usage("that is not a message of gaoler's", str(error), "gaol --version; gaoler --version"))
            )
        except OSError as error:
            _log.info("a connection broke: %s", error)
        except Exception as error:  # no memory, say: theirs ends, and nobody else's
            _log.error("a connection ends: %s", f"{type(error).__name__} {error}")
        finally:
            self._door.leave(uid)
            connection.close()

    @contextmanager
    def _large_of(self, uid: int) -> Iterator[Callable[[], None]]:
        """For a connection: to be called when a message turns out to be large. Raises LimitReached where a user has many such."""
        admitted = False

        def admit() -> None:
            nonlocal admitted
            with self._lock:
                if not admitted and self._large[uid] >= LARGE_OF_ONE:
                    why = f"{LARGE_OF_ONE} at once of more than {LARGE >> 10} KiB is gaoler's limit"
                    raise LimitReached("you have too many long command lines on the way", why, "gaol ls", limit="large")
                self._large[uid] += not admitted
                admitted = True

        try:
            yield admit
        finally:
            with self._lock:
                self._large[uid] -= admitted

    def _answer(self, connection: Connection, caller: Caller, message: dict[str, Any]) -> None:
        name = message.get("method")
        built_in = introspection.answer(name, message.get("parameters"))
        if built_in is not None:
            connection.send(built_in)
            return
        handler = HANDLERS.get(str(name).removeprefix(_INTERFACE)) if str(name).startswith(_INTERFACE) else None
        if handler is None:
            connection.send(introspection.method_not_found(name))
            return
        conversation = Conversation(connection, caller, bool(message.get("more")))
        refused: GaolerError | None = None
        request: Request | None = None
        who, begun = Asker(caller.account.name, caller.uid, caller.pid), time.monotonic()

        def noted(request: Request | None, refused: GaolerError | None) -> None:
            about = conversation.about or getattr(request, "name", None) or ""
            self._journal.answered(who, handler.method.name, about, request, refused, time.monotonic() - begun)

        try:
            request = handler.method.request.model_validate(message.get("parameters") or {})
            with asked_by(who):
                reply = handler.serve(self._parts, request, conversation)
            noted(request, None)  # before whoever asked knows
            connection.send({"parameters": reply.parameters()}, conversation.descriptors)
        except ValidationError as error:
            refused = Usage("the request makes no sense", _mistakes(error), "gaol --version; gaoler --version")
        except GaolerError as error:
            refused = error
        except (Closed, TimeoutError):
            raise
        except OSError as error:  # the store's disk, most likely, or out of descriptors
            _log.exception("in %s", name)
            refused = Failed("the host refuses", str(error), "gaol doctor")
        except Exception as error:
            _log.exception("in %s", name)
            mistake = Failed("gaoler made a mistake", f"{type(error).__name__}: {error}", "journalctl -u gaoler")
            refused = _host_lacks(error) if _is_lack(error) else mistake
        finally:
            for descriptor in conversation.descriptors:
                os.close(descriptor)
        self._tally.answered(handler.method.name, refused)
        if refused is not None:
            noted(request, refused)
            connection.send(_error(refused))


def _mistakes(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:10])


def _is_lack(error: Exception) -> bool:
    """Whether the host has no memory, or no thread: Python has no exception of its own for the second."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "thread" in str(error))


def _host_lacks(error: Exception) -> Failed:
    why = "it has no memory to spare" if isinstance(error, MemoryError) else f"it gives no further thread ({error})"
    return Failed("the host refuses", why, "gaol doctor")


def _error(error: GaolerError) -> dict[str, Any]:
    details = {"what": error.what, "why": error.why, "hint": error.hint, "code": error.code}
    return {"error": "org.gaoler.Error", "parameters": details}


def _try_send(connection: Connection, message: dict[str, Any]) -> None:
    try:
        connection.send(message)
    except (Closed, OSError):
        pass  # nobody is there to hear it


def _turn_away(sock: socket.socket, error: GaolerError) -> None:
    """Say why, to somebody who may have said something already: if that were not read in the end, our answer would go with it."""
    sock.setblocking(False)
    _try_send(Connection(sock), _error(error))
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
        while sock.recv(65536):
            pass


def _listen(path: Path) -> socket.socket:
    """Raises Failed when another daemon serves there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
        else:
            sock.close()
            raise Failed("a gaoler serves already", str(path), "gaol ls")
    sock.bind(str(path))
    path.chmod(0o666)  # everybody may ask; the kernel tells who it is
    sock.listen(128)
    sock.setblocking(False)
    return sock
