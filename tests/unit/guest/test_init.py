"""`agent init`: process 1, in a pid and mount namespace of its own; a power-off ends that (reboot(2))."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guest_sessions import PATIENCE, Agent, Session, exited, start_agent

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces and to be several users"),
]

# With a /run of its own, since process 1 makes /run/initctl.
RUN = 'mount -t tmpfs run /run && exec "$@"'
NAMESPACES = ("unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "sh", "-c", RUN, "sh")
POWERED_OFF = -signal.SIGINT  # how a pid namespace ends at RB_POWER_OFF, and at RB_AUTOBOOT
RESTARTED = -signal.SIGHUP


@pytest.fixture
def start(built: Path, tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    agents = []

    def start(*options: str) -> Agent:
        agents.append(start_agent(built / "agent-sanitized", tmp_path, "init", "--quiet", *options, prefix=NAMESPACES))
        return agents[-1]

    yield start
    for agent in agents:
        agent.process.kill()
        agent.process.wait()


def first_process(agent: Agent) -> int:
    """The agent's process id as seen from outside its namespace."""
    children = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read_text().split()
    return int(children[0])


def test_outside_a_machine_it_refuses(built: Path) -> None:
    result = subprocess.run([built / "agent-sanitized", "init"], capture_output=True, timeout=PATIENCE, check=False)
    assert result.returncode != 0
    assert b"not process 1" in result.stderr


def test_graceful_stop_lets_programs_end_themselves(start: Callable[..., Agent], tmp_path: Path) -> None:
    agent = start()
    script = f"trap 'echo saved > {tmp_path}/file; exit 0' TERM; echo on; while :; do sleep 0.01; done"
    session = Session(agent, "sh", "-c", script)
    assert session.streams[1].recv(10) == b"on\n"
    os.kill(first_process(agent), signal.SIGINT)
    assert session.end() == exited(0)
    assert agent.process.wait(PATIENCE) == POWERED_OFF
    assert (tmp_path / "file").read_text() == "saved\n"


def test_graceful_stop_ends_an_interactive_shell_at_once(start: Callable[..., Agent]) -> None:
    agent = start()
    session = Session(agent, "bash", "--norc", "-i", tty="1", env=["PS1=ready"])
    while b"ready" not in session.streams[0].recv(1000):
        pass
    begin = time.monotonic()
    os.kill(first_process(agent), signal.SIGINT)
    assert agent.process.wait(PATIENCE) == POWERED_OFF
    assert time.monotonic() - begin < 4  # SIGKILL would come after 5 seconds


def test_graceful_stop_does_not_wait_for_ever(start: Callable[..., Agent]) -> None:
    agent = start()
    session = Session(agent, "sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done")
    assert session.streams[1].recv(10) == b"on\n"
    os.kill(first_process(agent), signal.SIGINT)
    assert agent.process.wait(PATIENCE) == POWERED_OFF


@pytest.mark.parametrize(("runlevel", "end"), [("0", POWERED_OFF), ("6", RESTARTED)])
def test_poweroff_and_reboot_from_inside(start: Callable[..., Agent], runlevel: str, end: int) -> None:
    agent = start()
    request = struct.pack("iiii368x", 0x03091969, 1, ord(runlevel), 0)
    nonsense = struct.pack("iiii368x", 0x03091969, 1, ord("5"), 0) + b"x" * 384
    _, _, told = Session(agent, "sh", "-c", "cat > /run/initctl; sleep 1000").finish(nonsense + request)
    assert told == (b"E", bytes([1, signal.SIGTERM]))
    assert agent.process.wait(PATIENCE) == end


def test_oneshot_ends_with_its_first_session(start: Callable[..., Agent]) -> None:
    agent = start("--oneshot")
    assert Session(agent, "sh", "-c", "sleep 1000 & exit 5").finish()[2] == exited(5)
    assert agent.process.wait(PATIENCE) == POWERED_OFF


def test_oneshot_ends_when_its_command_cannot_be_run(start: Callable[..., Agent]) -> None:
    agent = start("--oneshot")
    assert Session(agent, "no-such-command").finish()[2][1][0] == 127
    assert agent.process.wait(PATIENCE) == POWERED_OFF


def test_orphans_are_reaped(start: Callable[..., Agent]) -> None:
    agent = start()
    Session(agent, "sh", "-c", "for i in 1 2 3; do (sleep 0.05 &) ; done").finish()
    script = "while pgrep -x sleep; do :; done; grep -h State: /proc/[0-9]*/status"
    assert b"zombie" not in Session(agent, "sh", "-c", script).finish()[0]


def test_title_is_short_and_says_who_it_is(start: Callable[..., Agent]) -> None:
    agent = start()
    out = Session(agent, "cat", "/proc/1/cmdline").finish()[0]
    assert out.rstrip(b"\0") == b"gaol-agent init"


@pytest.mark.parametrize(
    ("user", "expected"),
    [("daemon", b"1 1 daemon 0022 /usr/sbin\n"), ("root", b"0 0 root 0022 /root\n")],
)
def test_users(start: Callable[..., Agent], user: str, expected: bytes) -> None:
    agent = start()
    assert Session(agent, "sh", "-c", "echo $(id -u) $(id -g) $(id -un) $(umask) $PWD", user=user).finish()[0] == expected


def test_a_user_does_not_keep_groups_of_root(start: Callable[..., Agent]) -> None:
    agent = start()
    assert Session(agent, "id", "-G", user="daemon").finish()[0] == b"1\n"
