"""Frames to the agent, and connections that nobody takes."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

import pytest

from gaoler.errors import Failed, Usage
from gaoler.host.agent import PAYLOAD_MAX, SessionRequest, exec_frame, join_frame, open_session

COOKIE = "0123456789abcdef" * 2


def words(frame: bytes) -> list[bytes]:
    kind, size = frame[:1], struct.unpack_from("<I", frame, 1)[0]
    assert kind == b"X"
    assert size == len(frame) - 5
    assert frame.endswith(b"\0")
    return frame[5:-1].split(b"\0")


def test_exec_says_all_that_was_asked_for():
    request = SessionRequest(
        COOKIE, "alice", ("ls", "-l", ""), login=True, directory="/tmp", environment=(("A", "b=c"),), terminal=(24, 80)
    )
    assert words(exec_frame(request)) == [
        f"cookie={COOKIE}".encode(),
        b"user=alice", b"tty=1", b"rows=24", b"cols=80", b"login=1", b"cwd=/tmp", b"env=A=b=c",
        b"arg=ls", b"arg=-l", b"arg=",
    ]  # fmt: skip


def test_names_of_other_encodings_pass_through():
    assert b"arg=\xff\xfe" in words(exec_frame(SessionRequest(COOKIE, arguments=(b"\xff\xfe".decode(errors="surrogateescape"),))))


def test_a_word_cannot_smuggle_in_another():
    with pytest.raises(Usage):
        exec_frame(SessionRequest(COOKIE, "alice\0user=root"))


def test_a_frame_that_the_agent_would_refuse_is_not_sent():
    with pytest.raises(Usage):
        exec_frame(SessionRequest(COOKIE, arguments=("x" * PAYLOAD_MAX,)))
    with pytest.raises(Usage):
        join_frame("short", 0)


@pytest.mark.parametrize(("terminal", "numbers"), [((24, 80), [0]), (None, [0, 1, 2])])
def test_a_session_is_a_control_connection_and_its_streams(tmp_path, terminal, numbers):
    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        found = open_session(path, SessionRequest(COOKIE, terminal=terminal))
        with found.control, listener.accept()[0] as control:
            assert control.recv(4096)[:1] == b"X"
            for stream, number in zip(found.streams, numbers, strict=True):
                with stream, listener.accept()[0] as accepted:
                    assert accepted.recv(4096) == b"J" + struct.pack("<I", 33) + COOKIE.encode() + bytes([number])
                    assert stream.gettimeout() is None
                    stream.sendall(b"raw")
                    assert accepted.recv(3) == b"raw"


def test_nobody_there(tmp_path):
    with pytest.raises(Failed, match="not running"):
        open_session(tmp_path / "none", SessionRequest(COOKIE))


def test_an_agent_that_does_not_accept_costs_no_more_than_the_timeout(tmp_path):
    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with pytest.raises(Failed, match="does not answer"):
            open_session(path, SessionRequest(COOKIE), timeout=0.05)


def test_an_agent_that_takes_a_little_again_and_again_costs_no_more_than_the_timeout(tmp_path):
    path, over = tmp_path / "agent", threading.Event()

    def sip(listener):
        with listener.accept()[0] as accepted, suppress(OSError):
            while not over.wait(0.05) and accepted.recv(32768):
                pass

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        sipping = threading.Thread(target=sip, args=(listener,))
        sipping.start()
        try:
            request = SessionRequest(COOKIE, arguments=("x" * (PAYLOAD_MAX - 4096),))
            with pytest.raises(Failed, match="does not answer"):
                open_session(path, request, timeout=0.3)
        finally:
            over.set()
            sipping.join()
