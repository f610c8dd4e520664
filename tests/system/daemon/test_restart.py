"""The daemon may be killed at any time: machines and sessions run on, and the next one finds everything in order."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from system.support.leaks import traces
from system.support.machine import Machine, running
from system.support.terminal import Terminal
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_machines_run_on_and_are_found_again(gateway, alice, bob):
    with running(gateway, alice, "web") as web, running(gateway, bob, "box", "--no-network") as box:
        before = [web.lasting(web.info()), box.lasting(box.info())]
        gateway.kill(signal.SIGKILL)
        for info in before:
            assert os.path.exists(f"/proc/{info['pid']}")
        done = subprocess.run(["ping", "-c1", "-W5", before[0]["address"]], capture_output=True, check=False)
        assert done.returncode == 0, "reachable while there is no daemon"
        gateway.start()
        assert [web.lasting(web.info()), box.lasting(box.info())] == before
        assert {machine["name"] for machine in gateway.json("ls", "--all")} == {"web", "box"}
        assert web.sh("echo fine") == "fine"
        assert web.gaol("ssh", "echo", "fine").stdout == "fine\n"
        assert "Linux version" in web.gaol("log").stdout
        web.sh("echo a word from inside > /dev/console")
        until(lambda: "a word from inside" in web.gaol("log").stdout, "the console is still read")
        assert gateway.json("top", user=alice)[0]["uptime"] > 0
        assert web.up().stdout.startswith("web  ")
        assert web.info()["pid"] == before[0]["pid"], "it was up already"
        web.gaol("down", check=True)
        assert web.state == "stopped"
        web.up()


def test_an_open_session_goes_on(gateway, quiet, alice):
    """And its exit code still arrives."""
    with gateway.popen("exec", "quiet", "--", "sh", "-c", "echo up; cat; exit 9", user=alice,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:  # fmt: skip
        assert session.stdout.readline() == b"up\n"
        gateway.kill(signal.SIGKILL)
        session.stdin.write(b"without a daemon\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"without a daemon\n"
        gateway.start()
        session.stdin.write(b"with another\n")
        session.stdin.close()
        assert session.stdout.read() == b"with another\n"
        assert session.wait(PATIENCE) == 9


def test_an_open_shell_goes_on(gateway, quiet, alice):
    with Terminal([gateway.program, "shell", "quiet"], **gateway.options(alice)) as terminal:
        terminal.expect("# ")
        gateway.restart(signal.SIGKILL)
        terminal.resize(40, 120)
        terminal.type("stty size; exit 3\n")
        terminal.expect("40 120")
        assert terminal.wait() == 3


def test_run_with_the_daemon_killed(gateway, alice):
    """The command of `gaol run` goes on as long as its caller's streams do; its machine is not there for ever."""
    with gateway.popen("run", "--no-network", "--", "sh", "-c", "echo up; cat; exit 5", user=alice,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as session:  # fmt: skip
        assert session.stdout.readline() == b"up\n"
        gateway.kill(signal.SIGKILL)
        session.stdin.write(b"still here\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"still here\n"
        session.stdin.close()
        session.wait(PATIENCE)
        assert session.returncode in (5, 6)
    gateway.start()
    until(lambda: gateway.json("ls", "--all") == [], "nothing is left of it")


def test_what_ended_meanwhile_is_stopped(gateway, alice):
    with running(gateway, alice, "one", "--no-network") as one, running(gateway, alice, "two") as two:
        pids = [machine.info()["pid"] for machine in (one, two)]
        gateway.kill(signal.SIGKILL)
        for pid in pids:
            pidfd = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            os.close(pidfd)
        gateway.start()
        for machine in (one, two):
            assert machine.state in ("stopped", "failed")
            machine.up()
            assert machine.sh("echo again") == "again"


def test_a_stop_by_sigterm_and_a_restart_change_nothing(gateway, quiet):
    before = quiet.lasting(quiet.info())
    for _ in range(3):
        gateway.restart(signal.SIGTERM)
        assert quiet.lasting(quiet.info()) == before


def test_dnsmasq_is_adopted_with_its_names(gateway, alice):
    with running(gateway, alice, "web") as web:
        served = (gateway.runtime / "network/pid").read_text()
        gateway.restart(signal.SIGKILL)
        assert (gateway.runtime / "network/pid").read_text() == served
        assert web.sh(f"getent hosts {gateway.domain} || getent hosts web.{alice.name}.{gateway.domain}")


@pytest.mark.parametrize("verb", ["up", "run", "rm", "down", "snapshot", "clone"])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_killed_in_the_middle(gateway, alice, verb, share):
    """At some point of each verb's way (test_failpoints has them all by name), the caller told of it.

    Afterwards a machine is whole or is not there at all: records and host agree.
    """
    clean = traces(gateway)
    machine = Machine(gateway, "middle", alice)
    words = {
        "up": ["up", "middle"],
        "run": ["run", "--", "true"],
        "rm": ["rm", "middle"],
        "down": ["down", "middle"],
        "snapshot": ["snapshot", "middle", "tag"],
        "clone": ["clone", "middle", "twin"],
    }[verb]
    if verb not in ("up", "run"):
        machine.up()
    # How long the verb takes is guessed: the test is good wherever the axe falls.
    length = {"up": 0.5, "run": 0.25, "down": 0.4, "rm": 0.4, "snapshot": 0.05, "clone": 0.1}[verb]
    with gateway.popen(*words, user=alice, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as caller:
        try:
            caller.wait(length * share)
        except subprocess.TimeoutExpired:
            pass
        gateway.kill(signal.SIGKILL)
        caller.communicate(timeout=PATIENCE)
    gateway.start()
    if verb == "run":
        assert gateway.json("ls", "--all") == []
        return
    for info in gateway.json("ls", user=alice):
        there = Machine(gateway, info["name"], alice)
        there.up()
        assert there.sh("test -x /bin/sh && hostname") == info["name"], "a machine is whole"
        assert there.gaol("rm").returncode == 0
    if verb == "up":
        machine.up()
        machine.remove()
    until(lambda: traces(gateway) == clean, f"nothing else: {traces(gateway) ^ clean}")


def test_a_record_that_was_never_written_is_no_machine(gateway):
    """Killed between the directory and the file in it."""
    directory = gateway.store / ".gaoler/machines/0123456789ab"
    gateway.kill(signal.SIGKILL)
    directory.mkdir(mode=0o700)
    (directory / ".record.json.new").write_text("{")
    gateway.start()
    assert gateway.json("ls", "--all") == []
    assert not directory.exists()
