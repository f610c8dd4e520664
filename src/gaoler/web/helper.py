"""The part of `gaoler-web` that is root: starts the service as nobody in particular, and a process for each login.

It reads nothing from the network. Of the service it takes three requests: begin a login, keep descriptors over a restart, let
them go. The worst that a service taken over by somebody can do here is to guess passwords, as at any login, and to use what is
logged in at that moment.
"""

from __future__ import annotations

import os
import pwd
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gaoler.errors import Failed
from gaoler.web import broker, confining
from gaoler.web.channel import Channel, Gone, close
from gaoler.web.keeping import Store
from gaoler.web.noting import Noting
from gaoler.web.settings import Settings

LOGINS = 512
"""At once, a process each."""
ENDING = 3.0
"""Seconds for all logins to end when the page does."""
AGAIN = 1.0
"""Seconds between starts of a service that keeps ending."""
_SERVICE = "import sys; sys.path.insert(0, sys.argv[1]); from gaoler.web.service import main; main(*map(int, sys.argv[2:]))"


class Helper:
    """Runs until SIGTERM. SIGHUP begins anew with what is installed now; logins and terminals stay."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        pem: tuple[bytes, bytes],
        account: pwd.struct_passwd,
        store: Store,
        noting: Noting,
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.pem = pem
        self.account = account
        self.store = store
        self.noting = noting
        self.logins = store.logins
        self.on_serving: Callable[[], None] = lambda: None

    def run(self) -> bool:
        """Whether it is to begin anew."""
        wake, wakened = socket.socketpair()
        for sock in (wake, wakened):
            sock.setblocking(False)
        signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        asked: set[int] = set()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _: asked.add(number))
        ends = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
        while not asked & ends:
            begun = time.monotonic()
            process, channel = self._start()
            try:
                self._attend(channel, wake, asked, ends)
            finally:
                channel.close()
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if not asked & ends:
                print("gaoler-web: the service has ended; it is started again", file=sys.stderr, flush=True)  # noqa: T201
                select.select([wake], [], [], max(0.0, AGAIN - (time.monotonic() - begun)))
        again = signal.SIGHUP in asked and not asked & {signal.SIGTERM, signal.SIGINT}
        if not again:
            self._see_out(wake)
        return again

    def _see_out(self, wake: socket.socket) -> None:
        """End all logins, and note that they have."""
        for name in list(self.store.kept):
            self.store.drop(name)
        until = time.monotonic() + ENDING
        while self.logins and (left := until - time.monotonic()) > 0:
            select.select([wake], [], [], left)
            with suppress(BlockingIOError):
                wake.recv(4096)
            self._reap()

    def _start(self) -> tuple[subprocess.Popen[bytes], Channel]:
        """The service, in its own account and with nothing of ours but these descriptors."""
        ours, theirs = Channel.pair()
        given = [_memory(part) for part in (self.settings.pack().encode(), *self.pem)]
        descriptors = [theirs.fileno(), self.listener.fileno(), *given]
        source = str(Path(__file__).resolve().parents[2])

        def confine() -> None:
            confining.end_with_parent(signal.SIGTERM)
            confining.gain_nothing()
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _SERVICE, source, *map(str, descriptors)],
                user=self.account.pw_uid,
                group=self.account.pw_gid,
                extra_groups=[],
                pass_fds=descriptors,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                preexec_fn=confine,  # noqa: PLW1509 - we have one thread
            )
        except OSError as error:
            raise Failed("the page's service can't be started", str(error), "gaol doctor") from None
        finally:
            theirs.close()
            close(given)
        for name, one in self.store.kept.items():
            ours.send({"kept": name, "note": one.note}, one.descriptors)
        ours.send({"begin": True})
        return process, ours

    def _attend(self, channel: Channel, wake: socket.socket, asked: set[int], ends: set[signal.Signals]) -> None:
        """Until the service has ended, or we are to end."""
        poller = select.poll()
        for descriptor in (channel.fileno(), wake.fileno()):
            poller.register(descriptor, select.POLLIN)
        while not asked & ends:
            for descriptor, _ in poller.poll():
                if descriptor == wake.fileno():
                    wake.recv(4096)
                    self._reap()
                else:
                    try:
                        self._answer(*channel.receive())
                    except Gone:
                        return

    def _answer(self, message: dict[str, Any], descriptors: list[int]) -> None:
        match message:
            case {"login": str(user), "from": str(remote)} if len(descriptors) == 1:
                self._login(user[:300], remote[:100], descriptors[0])
            case {"keep": str(name), "note": dict(note)}:
                self.store.keep(name, note, descriptors)
                return
            case {"drop": str(name)}:
                self.store.drop(name)
            case {"serving": True}:
                self.on_serving()
            case _:
                print("gaoler-web: the service asks for what there is not", file=sys.stderr, flush=True)  # noqa: T201
        close(descriptors)

    def _login(self, user: str, remote: str, descriptor: int) -> None:
        self._reap()
        if len(self.logins) >= LOGINS:
            return  # the other end sees its channel close
        pid = os.fork()
        if pid:
            self.logins[pid] = (user, remote)
            return
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            copy = os.dup(descriptor)  # closed with the rest
            os.dup2(copy, 3)
            os.closerange(4, 1 << 20 if (most := resource.getrlimit(resource.RLIMIT_NOFILE)[1]) < 0 else most)
            broker.run(Channel.of(3), user, remote, self.settings.daemon, self.noting)
        except BaseException as error:
            broker.audit(f"a login broke: {type(error).__name__}: {error}")
        finally:
            os._exit(0)

    def _reap(self) -> None:
        for pid, (user, remote) in list(self.logins.items()):
            try:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                    continue
                self.noting.ended(pid, user, remote)
                os.waitpid(pid, 0)
            except OSError:  # it is nobody's child any more
                pass
            del self.logins[pid]


def _memory(content: bytes) -> int:
    """A descriptor to read that content from: the service's account may read none of these files."""
    descriptor = os.memfd_create("gaoler-web")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
