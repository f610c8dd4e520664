"""A daemon that answers what a test tells it to, over a real socket; and `gaol` as a person runs it."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gaoler.wire.framing import Closed, Connection

SOURCES = Path(__file__).parents[2] / "src"


class FakeDaemon:
    """Replies by method name: a list of messages to send for each call. Keeps the calls."""

    def __init__(self, path):
        self.path = str(path)
        self.replies = {}
        self.calls = []
        self.plays = {}
        self.streams = {}
        """By method name: what answers a call, with `(connection, parameters)`."""
        self.later = {}
        self.told = {}
        """What a session's reply says beside its descriptors."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock)
            try:
                while True:
                    call = connection.receive()
                    method = call["method"].removeprefix("org.gaoler.")
                    self.calls.append((method, call["parameters"]))
                    if method in self.plays:
                        self._play(connection, call["parameters"], self.plays[method])
                    if method in self.streams:
                        self.streams[method](connection, call["parameters"])
                    for reply in self.replies.get(method, ()):
                        connection.send(reply)
                    for other, parameters in self.later.pop(method, {}).items():
                        self.answer(other, **parameters)
            except Closed:
                connection.close()

    def play(self, method, machine):
        """Answer a call of `Exec` with a session, whose other side is `machine(streams, command)`, in a thread: control first."""
        self.plays[method] = machine

    def _play(self, connection, parameters, machine):
        command = parameters["command"]
        pairs = [socket.socketpair() for _ in range(2 if command.get("terminal") else 4)]
        for theirs, _ in pairs:
            theirs.settimeout(30)
        threading.Thread(target=machine, args=([theirs for theirs, _ in pairs], command), daemon=True).start()
        connection.send({"parameters": self.told}, tuple(ours.fileno() for _, ours in pairs))
        for _, ours in pairs:
            ours.close()

    def refuse(self, method, what, why="", hint="", code=1):
        self.replies[method] = [
            {"error": "org.gaoler.Error", "parameters": {"what": what, "why": why, "hint": hint, "code": code}}
        ]

    def answer(self, method, **parameters):
        self.replies[method] = [{"parameters": parameters}]

    def answer_after(self, call, method, **parameters):
        """From the next `call` on `method` is answered so."""
        self.later.setdefault(call, {})[method] = parameters

    def close(self):
        self._listener.close()


@pytest.fixture
def daemon(tmp_path):
    fake = FakeDaemon(tmp_path / "sock")
    yield fake
    fake.close()


@pytest.fixture
def gaol(tmp_path):
    """Run the command line in a process of its own; returns it, completed."""

    def run(*arguments, **options):
        code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); from gaoler.cli.main import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-IS", "-c", code, *arguments],
            env={
                **os.environ, "GAOLER_SOCKET": str(tmp_path / "sock"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TZ": "UTC",
                **options.pop("env", {}),
            },
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}, text=True, timeout=30, check=False,
        )  # fmt: skip

    return run
