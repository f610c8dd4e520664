"""The host's side of a session with the agent, as plainly as can be: for tests of the agent alone.

The contract is "Sessions" in docs/explanation/design.md.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

USER = pwd.getpwuid(os.geteuid()).pw_name
PATIENCE = 20.0  # seconds; a hang must not be mistaken for a slow machine


@dataclass
class Agent:
    """A serving agent: its socket's path and its process."""

    path: str
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(self.path)
        return connection


def start_agent(program: Path, directory: Path, *words: str, prefix: tuple[str, ...] = ()) -> Agent:
    """`words` are the steps; the last one is to take sessions from a socket in `directory`."""
    path = str(directory / "agent.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1000)
        command = [*prefix, str(program), *words, "--listen", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
    return Agent(path, process)


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError(data)
        data += part
    return data


def receive_frame(connection: socket.socket) -> tuple[bytes, bytes]:
    head = receive_exactly(connection, 5)
    return head[:1], receive_exactly(connection, struct.unpack("<I", head[1:])[0])


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = connection.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def exec_payload(cookie: str, arguments: tuple[str, ...], **keys: str | list[str]) -> bytes:
    words = [f"cookie={cookie}"]
    for key, value in {"user": USER, **keys}.items():
        words += [f"{key}={one}" for one in ([value] if isinstance(value, str) else value)]
    words += [f"arg={argument}" for argument in arguments]
    return b"".join(word.encode() + b"\0" for word in words)


class Session:
    """One command in the agent, as the command line tool sees it."""

    def __init__(self, agent: Agent, *arguments: str, **keys: str | list[str]) -> None:
        cookie = secrets.token_hex(16)
        self.control = agent.connect()
        self.control.sendall(frame(b"X", exec_payload(cookie, arguments, **keys)))
        self.streams = []
        for number in range(1 if keys.get("tty") == "1" else 3):
            stream = agent.connect()
            stream.sendall(frame(b"J", cookie.encode() + bytes([number])))
            self.streams.append(stream)

    def send(self, kind: bytes, payload: bytes) -> None:
        self.control.sendall(frame(kind, payload))

    def end(self) -> tuple[bytes, bytes]:
        kind, payload = receive_frame(self.control)
        assert self.control.recv(1) == b"", "the agent closes after the last frame"
        return kind, payload

    def finish(self, data: bytes = b"") -> tuple[bytes, bytes, tuple[bytes, bytes]]:
        """Sends all of stdin, collects stdout and stderr, and the last frame."""
        collected = [b"", b""]

        def collect(index: int) -> None:
            collected[index] = read_all(self.streams[index + 1])

        readers = [threading.Thread(target=collect, args=(index,)) for index in range(2)]
        for reader in readers:
            reader.start()
        with contextlib.suppress(OSError):
            self.streams[0].sendall(data)  # the command may not read what it is given
            self.streams[0].shutdown(socket.SHUT_WR)
        for reader in readers:
            reader.join(PATIENCE)
            assert not reader.is_alive(), "stdout or stderr does not end"
        return collected[0], collected[1], self.end()


def exited(code: int) -> tuple[bytes, bytes]:
    return b"E", bytes([0, code])
