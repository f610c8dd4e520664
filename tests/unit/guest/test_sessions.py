"""Sessions with the agent, run natively over a real unix socket: see guest_sessions."""

from __future__ import annotations

import os
import pwd
import secrets
import select
import signal
import socket
import struct
from pathlib import Path

import pytest

from guest_sessions import PATIENCE, USER, Agent, Session, exec_payload, exited, frame, read_all, receive_frame


def test_three_clean_streams_and_the_exit_code(agent: Agent) -> None:
    out, err, end = Session(agent, "sh", "-c", "cat; echo problem >&2; exit 7").finish(b"\x00\xff\r\n\x04")
    assert (out, err, end) == (b"\x00\xff\r\n\x04", b"problem\n", exited(7))


def test_killed_by_a_signal(agent: Agent) -> None:
    assert Session(agent, "sh", "-c", "kill -9 $$").finish()[2] == (b"E", bytes([1, 9]))


def test_fifty_megabytes_both_ways(agent: Agent) -> None:
    data = os.urandom(1 << 20) * 50
    out, err, end = Session(agent, "cat").finish(data)
    assert (err, end) == (b"", exited(0))
    assert out == data


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("no-such-command",), 127, b"no-such-command: No such file"),
        (("/etc/passwd",), 126, b"/etc/passwd: Permission denied"),
        (("/",), 126, b"/: Permission denied"),
    ],
)
def test_what_cannot_be_executed(agent: Agent, arguments: tuple[str, ...], code: int, text: bytes) -> None:
    kind, payload = Session(agent, *arguments).finish()[2]
    assert (kind, payload[0]) == (b"F", code)
    assert payload[1:].startswith(text)


def test_unknown_user(agent: Agent) -> None:
    kind, payload = Session(agent, "true", user="nobody-of-that-name").finish()[2]
    assert (kind, payload) == (b"F", b"\x7dthe machine has no user nobody-of-that-name")


def test_environment_and_directory(agent: Agent, tmp_path: Path) -> None:
    script = 'echo "$HOME $USER $SHELL $COLOUR $LANG"; pwd'
    session = Session(agent, "sh", "-c", script, cwd=str(tmp_path), env=["COLOUR=a=b", "LANG=de_DE.UTF-8"])
    entry = pwd.getpwnam(USER)
    expected = f"{entry.pw_dir} {USER} {entry.pw_shell} a=b de_DE.UTF-8\n{tmp_path}\n"
    assert session.finish()[0].decode() == expected


def test_directory_that_is_not_there(agent: Agent) -> None:
    kind, payload = Session(agent, "true", cwd="/no/such/place").finish()[2]
    assert (kind, payload) == (b"F", b"\x7dcan't change to /no/such/place: No such file or directory")


def test_the_path_of_the_request_is_searched(agent: Agent, tmp_path: Path) -> None:
    tool = tmp_path / "tool-of-the-caller"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    assert Session(agent, tool.name, env=[f"PATH={tmp_path}:/bin:/usr/bin"]).finish()[0] == b"found\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_another_user_with_groups(agent: Agent) -> None:
    out, _, end = Session(agent, "sh", "-c", "id -un; id -u; umask; cat /proc/self/status", user="daemon").finish()
    assert end == exited(0)
    assert out.startswith(b"daemon\n1\n0022\n")
    assert b"\nGroups:\t1 \n" in out


THE_C_LIBRARYS = 0b111 << 31
"""Signals 32 to 34, which C libraries keep for themselves: a test run may have inherited them ignored."""


def test_command_gets_clean_signals_and_descriptors(agent: Agent) -> None:
    script = "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    out = Session(agent, "sh", "-c", script).finish()[0].decode().split()
    *begin, ignored = out
    assert begin == ["0", "1", "2", "3", "SigBlk:", "0" * 16, "SigIgn:"]  # 3 is ls's own
    assert not int(ignored, 16) & ~THE_C_LIBRARYS


def test_output_of_the_background_does_not_hold_the_session(agent: Agent) -> None:
    out, _, end = Session(agent, "sh", "-c", "sleep 1000 & echo $!").finish()
    os.kill(int(out), signal.SIGKILL)  # alive, and its standard output was open all the time
    assert end == exited(0)


def test_busy_background_does_not_hold_the_session(agent: Agent) -> None:
    _, _, end = Session(agent, "sh", "-c", "yes & sleep 0.1").finish()
    assert end == exited(0)


def test_large_output_is_complete_when_the_command_has_ended(agent: Agent) -> None:
    out, err, end = Session(agent, "sh", "-c", "head -c 3000000 /dev/zero; head -c 60000 /dev/zero >&2").finish()
    assert (len(out), len(err), end) == (3000000, 60000, exited(0))


def test_closed_stdout_ends_the_writer(agent: Agent) -> None:
    session = Session(agent, "sh", "-c", "yes; kill -l $? >&2")
    assert session.streams[1].recv(100)
    session.streams[1].close()
    assert read_all(session.streams[2]).endswith(b"PIPE\n")
    assert session.end() == exited(0)


def test_stdin_that_nobody_reads(agent: Agent) -> None:
    assert Session(agent, "true").finish(b"x" * 10_000_000)[2] == exited(0)


def test_signal_reaches_the_whole_group(agent: Agent) -> None:
    session = Session(agent, "sh", "-c", "sleep 1000 & echo $!; wait")
    background = int(session.streams[1].recv(100))
    session.send(b"S", bytes([signal.SIGTERM]))
    assert session.end() == (b"E", bytes([1, signal.SIGTERM]))
    assert gone(background)


def test_terminal(agent: Agent) -> None:
    session = Session(
        agent,
        "sh",
        "-c",
        # The size and the line come by sockets of their own, in any order.
        'tty; stty size; stty -echo; read line; while [ "$(stty size)" = "33 99" ]; do :; done; stty size; echo [$line]',
        tty="1",
        rows="33",
        cols="99",
    )
    terminal = session.streams[0]
    seen = b""
    while b"99" not in seen:
        seen += terminal.recv(1000)
    assert seen.startswith(b"/dev/pts/")
    session.send(b"W", struct.pack("<HH", 50, 132))
    terminal.sendall(b"hello\n")
    seen += read_all(terminal)
    assert seen.endswith(b"50 132\r\n[hello]\r\n")
    assert session.end() == exited(0)


def test_last_words_on_a_terminal_are_never_lost(agent: Agent) -> None:
    for _ in range(50):
        session = Session(agent, "echo", "last words", tty="1")
        assert read_all(session.streams[0]) == b"last words\r\n"
        assert session.end() == exited(0)


def test_interrupt_key_and_end_of_input_on_a_terminal(agent: Agent) -> None:
    session = Session(agent, "cat", tty="1")
    session.streams[0].sendall(b"one\n")
    session.streams[0].shutdown(socket.SHUT_WR)
    assert read_all(session.streams[0]) == b"one\r\none\r\n"
    assert session.end() == exited(0)

    session = Session(agent, "sh", "-c", "echo on; exec sleep 1000", tty="1")
    assert session.streams[0].recv(100)
    session.streams[0].sendall(b"\x03")
    assert session.end() == (b"E", bytes([1, signal.SIGINT]))


def test_suspending_a_lone_command_does_not_hang_it(agent: Agent) -> None:
    session = Session(agent, "sh", "-c", "kill -TSTP $$; echo going on", tty="1")
    assert b"going on" in read_all(session.streams[0])
    assert session.end() == exited(0)


def test_login_shell_has_job_control(agent: Agent) -> None:
    session = Session(agent, tty="1", login="1", env=["PS1=", "TERM=dumb"])
    session.streams[0].sendall(b"echo name=$0; sleep 1000 &\nkill %1 && echo killed-$((40+2)); exit 3\n")
    seen = read_all(session.streams[0])
    assert b"name=-" in seen
    assert b"killed-42" in seen
    assert b"no job control" not in seen
    assert session.end() == exited(3)


def gone(pid: int) -> bool:
    """Waits for the end of a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ready, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    return bool(ready)


@pytest.mark.parametrize("tty", ["0", "1"])
def test_hang_up_ends_the_command_and_what_it_has_begun(agent: Agent, tty: str) -> None:
    session = Session(agent, "sh", "-c", "sleep 1000 & echo $! $$; wait", tty=tty)
    first, second = map(int, session.streams[0 if tty == "1" else 1].recv(100).split())
    session.control.close()
    assert gone(first)
    assert gone(second)


@pytest.mark.parametrize("tty", ["0", "1"])
@pytest.mark.parametrize(
    "way", ["nohup {} > /dev/null 2>&1 &", "setsid {} &", "set -m; {} & disown; set +m;"], ids=["nohup", "setsid", "disown"]
)
def test_hang_up_leaves_what_it_leaves_on_any_linux(agent: Agent, tmp_path: Path, tty: str, way: str) -> None:
    survivor = tmp_path / "survivor"
    script = (
        way.format(f"sh -c 'echo $$ > {survivor}; exec sleep 1000'")
        + f" until [ -s {survivor} ]; do :; done; echo shell $$; read x"
    )
    session = Session(agent, "bash", "-c", script, tty=tty)
    stream = session.streams[0 if tty == "1" else 1]
    said = b""
    while b"shell " not in said or not said.endswith(b"\n"):
        said += stream.recv(4096)
    session.control.close()
    stays = int(survivor.read_text())
    try:
        assert gone(int(said.rpartition(b"shell ")[2]))
        os.kill(stays, 0)
    finally:
        os.kill(stays, signal.SIGKILL)


@pytest.mark.skipif(os.getuid() != 0, reason="a session of another user needs root")
def test_streams_are_the_users(agent: Agent) -> None:
    """/dev/stdout is opened again by many a script."""
    out, err, end = Session(
        agent, "sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr; : < /dev/stdin", user="nobody"
    ).finish()
    assert (out, err, end) == (b"out\n", b"err\n", exited(0))
    terminal = Session(agent, "sh", "-c", "echo seen > $(tty) && stat -c %U $(tty)", user="nobody", tty="1")
    assert read_all(terminal.streams[0]).split() == [b"seen", b"nobody"]


def test_umask_is_the_callers(agent: Agent) -> None:
    assert Session(agent, "sh", "-c", "umask").finish()[0] == b"0022\n"
    assert Session(agent, "sh", "-c", "umask", umask="63").finish()[0] == b"0077\n"


def test_hundred_sessions_at_once(agent: Agent) -> None:
    sessions = [Session(agent, "sh", "-c", f"read x; exit {number}") for number in range(100)]
    for session in reversed(sessions):
        session.streams[0].close()
    assert [session.end() for session in sessions] == [exited(number) for number in range(100)]


@pytest.mark.parametrize(
    "data",
    [
        b"X" + struct.pack("<I", (6 << 20) + 1),
        b"J" + struct.pack("<I", 0xFFFFFFFF),
        frame(b"J", b"too short"),
        frame(b"W", b"1234"),
        frame(b"\x00", b""),
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_what_is_no_first_frame_closes_the_connection(agent: Agent, data: bytes) -> None:
    connection = agent.connect()
    connection.sendall(data)
    assert read_all(connection) == b""
    assert Session(agent, "true").finish()[2] == exited(0)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"user=root",
        b"user=root\0",
        b"cookie=1\0user=root\0",
        b"colour=red\0",
        b"tty=2\0",
        b"env=X\0",
        b"rows=99999\0",
        b"umask=512\0",
    ],
)
def test_senseless_request_is_refused_in_words(agent: Agent, payload: bytes) -> None:
    connection = agent.connect()
    connection.sendall(frame(b"X", payload))
    kind, answer = receive_frame(connection)
    assert (kind, answer[0]) == (b"F", 125)
    assert len(answer) > 10


def test_joins_that_nobody_waits_for_hold_nobody_up(agent: Agent) -> None:
    strangers = [agent.connect() for _ in range(50)]
    for number, stranger in enumerate(strangers):
        stranger.sendall(frame(b"J", secrets.token_hex(16).encode() + bytes([number % 4])) if number % 2 else b"")
    assert Session(agent, "echo", "hello").finish()[0] == b"hello\n"


def test_stream_can_be_joined_once(agent: Agent) -> None:
    cookie = secrets.token_hex(16)
    control = agent.connect()
    control.sendall(frame(b"X", exec_payload(cookie, ("true",))))
    first, second = agent.connect(), agent.connect()
    for stream in (first, second):
        stream.sendall(frame(b"J", cookie.encode() + b"\0"))
    assert read_all(second) == b""
    for number in (1, 2):
        agent.connect().sendall(frame(b"J", cookie.encode() + bytes([number])))
    assert receive_frame(control) == (b"E", bytes([0, 0]))


def test_frames_that_come_in_crumbs(agent: Agent) -> None:
    cookie = secrets.token_hex(16)
    connections = [agent.connect() for _ in range(4)]
    messages = [frame(b"X", exec_payload(cookie, ("echo", "crumbs")))]
    messages += [frame(b"J", cookie.encode() + bytes([number])) for number in range(3)]
    for connection, message in reversed(list(zip(connections, messages, strict=True))):
        for byte in message:
            connection.send(bytes([byte]))
    assert read_all(connections[2]) == b"crumbs\n"
    assert receive_frame(connections[0]) == (b"E", bytes([0, 0]))
