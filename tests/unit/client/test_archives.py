"""Archives that flow while the daemon tells how far it is, with the daemon's side played by a thread."""

import os
import socket
import threading

import pytest

from gaoler.client import Gaoler, archives
from gaoler.errors import Failed
from gaoler.wire.framing import Connection

MANY = 20_000
"""Replies that no socket holds: 1.6 MB."""
PATIENCE = 60


@pytest.fixture
def played():
    """Have a function play the daemon, with its connection and our end of the pipe; returns the client of it."""
    made = []

    def play(ours, work):
        def run():
            assert connection.receive()["method"] in ("org.gaoler.Export", "org.gaoler.Import")
            ends = os.pipe()
            with os.fdopen(ends[ours], "wb" if ours else "rb", buffering=0) as stream:
                tell(connection, "begins", descriptors=(ends[1 - ours],))
                os.close(ends[1 - ours])
                try:
                    work(connection, stream)
                except OSError:
                    connection.close()  # the client notices that it doesn't go on

        client, daemon = socket.socketpair()
        daemon.settimeout(PATIENCE)
        connection = Connection(daemon)
        made.append((threading.Thread(target=run, daemon=True), daemon))
        made[-1][0].start()
        return Gaoler.over(client.detach())

    yield play
    for thread, sock in made:
        thread.join(PATIENCE)
        sock.close()


def tell(connection, step, descriptors=()):
    connection.send({"parameters": {"step": step}, "continues": True}, descriptors)


def end(connection, **parameters):
    connection.send({"parameters": parameters})


def fail(connection):
    details = {"what": "web can't be exported", "why": "the program ended", "hint": "gaol doctor", "code": 1}
    connection.send({"error": "org.gaoler.Error", "parameters": details})


def test_an_export_is_told_of_while_it_flows(played):
    heard = threading.Event()
    got = bytearray()

    def daemon(connection, stream):
        stream.write(b"first ")
        for _ in range(MANY):
            tell(connection, "exporting web")
        tell(connection, "nearly")
        assert heard.wait(PATIENCE)
        stream.write(b"last")
        stream.close()
        end(connection, files=2)

    with played(1, daemon) as gaoler:
        reply = archives.export(gaoler, "web", got.extend, lambda one: heard.set() if one["step"] == "nearly" else None)
    assert (bytes(got), reply, heard.is_set()) == (b"first last", {"files": 2}, True)


def test_an_import_is_told_of_while_it_flows(played):
    archive = os.urandom(1 << 20)
    pieces = [archive[at : at + 65536] for at in range(0, len(archive), 65536)]
    got = []

    def daemon(connection, stream):
        for _ in range(MANY):
            tell(connection, "importing")
        while piece := stream.read(1 << 16):
            got.append(piece)
        end(connection, notes=[])

    with played(0, daemon) as gaoler:
        assert archives.import_(gaoler, lambda _: pieces.pop(0) if pieces else b"", "web") == {"notes": []}
    assert b"".join(got) == archive


def test_what_breaks_here_is_told_and_not_what_follows_from_it(played):
    def no_room(_):
        raise Failed("the archive can't be written", "No space left on device", "df .")

    def exporting(connection, stream):
        with pytest.raises(BrokenPipeError):
            while True:
                stream.write(b"\0" * 65536)
        fail(connection)

    with played(1, exporting) as gaoler, pytest.raises(Failed, match="No space left"):
        archives.export(gaoler, "web", no_room)

    def importing(connection, stream):
        assert stream.read() == b""
        fail(connection)

    with played(0, importing) as gaoler, pytest.raises(Failed, match="No space left"):
        archives.import_(gaoler, no_room)


def test_what_the_daemon_refuses_waits_for_nobody(played):
    typed = threading.Event()

    def importing(connection, stream):
        assert stream.read(7) == b"garbage"
        fail(connection)

    def keyboard(_, said=[b"garbage"]):  # noqa: B006 - once
        if said:
            return said.pop()
        typed.wait(PATIENCE)
        return b""

    try:
        with played(0, importing) as gaoler, pytest.raises(Failed, match="the program ended"):
            archives.import_(gaoler, keyboard)
        assert not typed.is_set()
    finally:
        typed.set()
