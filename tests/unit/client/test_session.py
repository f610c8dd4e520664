"""A session's copying, with the machine's side played by sockets."""

import os
import socket
import threading

import pytest

from gaoler.client.session import FRAME, HUNG_UP, Session
from gaoler.errors import Failed


@pytest.fixture
def machine():
    """Makes a session of so many streams; returns it, and the machine's ends: control first."""
    theirs = []

    def make(streams):
        ours = []
        for _ in range(1 + streams):
            mine, other = socket.socketpair()
            other.settimeout(30)
            ours.append(mine.detach())
            theirs.append(other)
        return Session(ours), theirs

    yield make
    for end in theirs:
        end.close()


@pytest.fixture
def terminal():
    """Master and slave. The slave stays open: a session's thread may begin to read it when its end has come already."""
    return os.openpty()


def ends(sockets, code=0):
    """The machine's side of a command that has ended."""
    sockets[0].sendall(FRAME.pack(b"E", 2) + bytes([0, code]))
    for end in sockets:
        end.close()


def test_who_leaves_waits_for_nobody(machine):
    """Whatever the machine does: it says nothing, and keeps all open."""
    session, _ = machine(3)
    reader, writer = os.pipe()
    sink = os.open(os.devnull, os.O_WRONLY)
    os.write(writer, b"x")
    assert session.copy(None, [sink, sink], reader, lambda: session.leave(143)) == 143
    assert not session.lost
    for descriptor in (reader, writer, sink):
        os.close(descriptor)


def test_a_terminal_that_hangs_up_ends_the_session(machine, terminal):
    session, (control, stream) = machine(1)
    master, slave = terminal

    def play():
        os.close(master)
        assert control.recv(1) == b""  # told
        control.close()
        stream.close()

    player = threading.Thread(target=play)
    player.start()
    assert session.copy(slave, [slave]) == HUNG_UP
    player.join()
    assert session.complaint == ""


def test_output_for_a_terminal_that_hung_up_is_nobody_s(machine, terminal):
    session, (control, stream) = machine(1)
    master, slave = terminal
    os.close(master)
    stream.sendall(b"lost")
    control.close()
    stream.close()
    assert session.copy(slave, [slave]) == HUNG_UP


def test_output_that_can_not_be_written_is_told(machine):
    session, (_, _, out, _) = machine(3)
    out.sendall(b"lost")
    with open("/dev/full", "wb") as full, pytest.raises(Failed, match="No space left"):
        session.copy(None, [full.fileno(), 2])


def test_streams_that_do_not_block_are_waited_for(machine):
    session, (control, into, out, err) = machine(3)
    (reading, typed), (shown, writing) = os.pipe(), os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    result = []
    copier = threading.Thread(target=lambda: result.append(session.copy(reading, [writing, 2])))
    copier.start()
    os.write(typed, b"one")
    assert into.recv(3) == b"one"
    os.write(typed, b"two")
    os.close(typed)
    assert into.recv(3) == b"two"
    assert into.recv(1) == b""
    size = 1 << 20  # more than a pipe holds
    sender = threading.Thread(target=out.sendall, args=(bytes(size),))
    sender.start()
    while size:
        size -= len(os.read(shown, 65536))
    sender.join()
    ends((control, into, out, err), code=7)
    copier.join()
    assert result == [7]
    for descriptor in (reading, shown, writing):
        os.close(descriptor)


def test_input_that_can_not_be_read_has_an_end(machine, tmp_path):
    session, sockets = machine(3)
    directory = os.open(tmp_path, os.O_RDONLY)
    player = threading.Thread(target=lambda: (sockets[1].recv(1), ends(sockets)))
    player.start()
    assert session.copy(directory, [1, 2]) == 0
    player.join()
    os.close(directory)
