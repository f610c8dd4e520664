"""How somebody else's process has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gaoler.host.process import signal_of

TOLD = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)


@pytest.mark.parametrize("number", [0, signal.SIGKILL, signal.SIGTERM])
def test_the_signal_of_a_process_that_was_reaped(number):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pidfd = os.pidfd_open(process.pid)
    try:
        if number:
            process.send_signal(number)
        process.communicate(b"\n")
        assert signal_of(pidfd) == (number if TOLD else 0)
    finally:
        os.close(pidfd)


@pytest.mark.parametrize("number", [0, signal.SIGKILL])
def test_the_signal_of_one_that_init_is_slow_to_reap(number):
    """Some hosts' never does."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pidfd = os.pidfd_open(process.pid)
    try:
        assert signal_of(pidfd) == 0, "it runs"
        process.send_signal(number) if number else process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert signal_of(pidfd) == number
    finally:
        process.communicate()
        os.close(pidfd)
