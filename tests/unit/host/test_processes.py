"""Commands, processes by identity, choice of a processor, mount points."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gaoler.errors import Failed, NotFound
from gaoler.host.command import run
from gaoler.host.cpus import choose
from gaoler.host.mounts import is_mounted
from gaoler.host.process import open_process


@pytest.fixture
def child():
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_what_a_command_writes():
    done = run(["sh", "-c", "cat; echo err >&2"], input=b"in \xff")
    assert (done.stdout, done.stderr) == ("in \ufffd", "err\n")


def test_a_failure_shows_the_line_to_paste_and_what_the_command_said():
    with pytest.raises(Failed) as caught:
        run(["sh", "-c", "echo 'it broke' >&2; exit 3"])
    assert caught.value.what == "sh -c 'echo '\"'\"'it broke'\"'\"' >&2; exit 3' failed with exit code 3"
    assert caught.value.why == "it broke"


def test_a_missing_program_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Failed) as caught:
        run(["mkfs.btrfs", "x"])
    assert caught.value.hint == "apt install btrfs-progs"


def test_a_command_that_takes_too_long():
    with pytest.raises(Failed, match=r"took more than 0\.05 s"):
        run(["sleep", "1000"], timeout=0.05)


def test_a_process_is_waited_for_and_killed_though_it_is_no_child_of_the_reader(child):
    process = open_process(child.pid)
    assert process.alive()
    assert not process.wait(0.01)
    process.kill(signal.SIGTERM)
    assert process.wait(5)
    assert not process.alive()
    assert child.wait() == -signal.SIGTERM
    process.kill()  # gone: nothing to do


def test_a_reused_pid_is_somebody_else(child):
    stranger = replace(open_process(child.pid), start_time=1)
    assert not stranger.alive()
    stranger.kill()
    with pytest.raises(ProcessLookupError):
        stranger.pidfd()
    assert child.poll() is None


def test_no_such_process():
    with pytest.raises(NotFound):
        open_process(2**22 + 1)


def test_the_least_loaded_processor_of_those_that_are_ours(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 3})
    assert choose({}) == 1
    assert choose({0: 0, 1: 2, 2: 1, 3: 1}) == 2


def test_mount_points(tmp_path):
    assert is_mounted(Path("/proc"))
    assert not is_mounted(tmp_path)
