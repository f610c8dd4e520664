"""A friend's session: all of it passes on, and all of it ends when it may no longer be."""

from __future__ import annotations

import socket
import threading

import pytest

from gaoler.machines.relaying import relay

PATIENCE = 60


class Session:
    """A control connection and a stream, relayed in a thread."""

    def __init__(self):
        self.allowed = True
        made = [(*socket.socketpair(), *socket.socketpair()) for _ in range(2)]
        self.user = [one[0] for one in made]
        self.inside = [one[3] for one in made]
        for sock in (*self.user, *self.inside):
            sock.settimeout(PATIENCE)
        pairs = [(one[1], one[2]) for one in made]
        self.thread = threading.Thread(target=relay, args=(pairs, lambda: self.allowed), daemon=True)
        self.thread.start()

    def ended(self):
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()


@pytest.fixture
def session():
    session = Session()
    yield session
    session.allowed = False
    assert session.ended()
    for sock in (*session.user, *session.inside):
        sock.close()


def read(sock):
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def test_bytes_and_ends_of_file_go_both_ways(session):
    session.user[1].sendall(b"in" * 1000)
    session.user[1].shutdown(socket.SHUT_WR)
    assert read(session.inside[1]) == b"in" * 1000
    session.inside[1].sendall(b"out")
    assert session.user[1].recv(10) == b"out", "the other way goes on"
    session.user[0].sendall(b"W")
    assert session.inside[0].recv(10) == b"W"


def test_all_that_was_said_arrives_before_the_end(session):
    much = b"x" * 3_000_000
    threading.Thread(
        target=lambda: (session.inside[1].sendall(much), session.inside[1].close(), session.inside[0].close())
    ).start()
    assert len(read(session.user[1])) == len(much)
    assert read(session.user[0]) == b""
    session.user[0].close()
    assert session.ended()


def test_who_hangs_up_hangs_up_inside(session):
    session.user[0].close()
    assert read(session.inside[0]) == b""
    assert read(session.inside[1]) == b""


@pytest.mark.parametrize("stuck", [False, True])
def test_it_is_cut_whether_or_not_anybody_reads(session, stuck):
    if stuck:
        session.user[1].settimeout(0.01)
        with pytest.raises(TimeoutError):
            session.user[1].sendall(b"x" * 10_000_000)
    session.allowed = False
    assert session.ended()
    assert read(session.inside[0]) == b""
    assert read(session.user[0]) == b""
