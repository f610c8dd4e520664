"""The daemon with what its unit takes from it, as systemd would: all that it does for machines and bases goes on."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from system.support import sandbox
from system.support.machine import running
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine]

UNIT = Path(__file__).parents[3] / "packaging/gaoler.service"


@pytest.fixture
def confined(gateway):
    """The session's gateway, its daemon below the unit's walls; the usual one comes back at the end."""
    gateway.kill()
    gateway.wrapper = [sys.executable, sandbox.__file__, str(UNIT)]
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process:
            gateway.kill()
        gateway.wrapper = []
        gateway.start()


def test_nothing_that_is_needed_is_taken(confined, alice, bob):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{confined.process.pid}/status").read_text().splitlines())
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert [number for number in sandbox.dropped(UNIT) if int(status["CapBnd"], 16) >> number & 1] == []
    for mode in ("seccomp", "ptrace"):
        done = confined.gaol("run", "--mode", mode, "--", "sh", "-c", "getent hosts gateway || ip route; id -u", user=alice)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0"), done.stderr
    with running(confined, alice, "walled", "--disk", "200M") as machine:
        assert machine.sh("head -c 4M /dev/zero > /root/full; sync; stat -c %s /root/full") == str(4 << 20)
        machine.gaol("snapshot", "warm", "--memory", check=True)
        machine.gaol("set", "cpus=0.5", check=True)
        machine.gaol("freeze", check=True)
        machine.gaol("thaw", check=True)
        machine.gaol("down", check=True)
        machine.gaol("restore", "warm", check=True)
        assert machine.sh("stat -c %s /root/full") == str(4 << 20), "it goes on"
        machine.gaol("share", bob.name, "--with-home", check=True)
        assert confined.gaol("exec", f"{alice.name}/walled", "--", "true", user=bob).returncode == 0
        machine.gaol("clone", "twin", check=True)
        confined.gaol("rm", "--force", "twin", user=alice, check=True)
        assert "/root/full" in machine.gaol("diff", check=True).stdout
    confined.gaol("base", "sync", "debian", check=True, timeout=240)
    assert confined.gaol("top", "--all").returncode == 0


ERRORS = """
import ctypes, os, socket
def packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
def clock():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(159, ctypes.create_string_buffer(256)) < 0:  # adjtimex, which shows the clock's state to everybody
        raise OSError(ctypes.get_errno(), "")
for does in (packets, clock):
    try:
        does()
        print("done")
    except OSError as error:
        print(error.errno)
"""
"""Two things that no capability of those that the unit takes stands before."""


def test_what_is_taken_is_gone():
    """For who takes over the daemon, and for what it starts; but not what machines and their daemon use."""

    def errors(*wrapper: str) -> list[str]:
        command = [*wrapper, sys.executable, "-c", ERRORS]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.split()

    assert errors() == ["done", "done"]
    assert errors(sys.executable, sandbox.__file__, str(UNIT)) == [str(errno.EAFNOSUPPORT), str(errno.EPERM)]
    assert not {"mount", "ptrace", "bpf", "personality", "modify_ldt", "chroot"} & set(sandbox.refused(UNIT))
