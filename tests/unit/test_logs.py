"""The log where no systemd runs: bounded, its end kept, root's alone."""

import logging
import os
import re
import stat
import sys

import pytest

from gaoler import logs
from gaoler.setup import service


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "gaoler.log"
    with open(logs.opened(path), "a") as stream:
        yield path, stream


def say(handler, text):
    handler.emit(logging.LogRecord("gaoler", logging.INFO, __file__, 1, text, None, None))


def test_it_grows_no_larger_and_keeps_what_was_said_last(log):
    path, stream = log
    handler = logs.Bounded(stream, limit=10_000)
    for number in range(5000):
        say(handler, f"machine {number} has ended")
        assert path.stat().st_size <= 10_000 + 100
    lines = path.read_text().splitlines()
    assert lines[-1] == "machine 4999 has ended"
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 5000)), "whole lines, without a gap"
    assert len(numbers) > 100


def test_what_others_write_to_it_is_kept_too(log):
    path, stream = log
    handler = logs.Bounded(stream, limit=1000)
    for number in range(100):
        os.write(stream.fileno(), b"Traceback: x\n")
        say(handler, f"line {number}")
    assert path.read_text().splitlines()[-2:] == ["Traceback: x", "line 99"]


def test_a_pipe_is_left_alone():
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        handler = logs.Bounded(stream, limit=1)
        say(handler, "one")
        say(handler, "two")
    with open(reading) as said:
        assert said.read() == "one\ntwo\n"


def test_nobody_else_reads_it_whatever_the_umask(tmp_path):
    path = tmp_path / "gaoler.log"
    path.write_text("of a former daemon, for all to read\n")
    path.chmod(0o644)
    reader = path.open()
    ready = "import os, socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])"
    before = os.umask(0)
    try:
        service.until_ready([sys.executable, "-c", f"print('begun', flush=True); {ready}"], path, "the daemon", 30)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "of a former daemon, for all to read\nbegun\n", "a restart loses nothing"
    with reader:
        assert "begun" not in reader.read(), "who could read it before can't read on"


def test_what_is_kept_of_earlier_daemons_is_bounded_and_no_link_is_followed(tmp_path):
    path, secret = tmp_path / "gaoler.log", tmp_path / "secret"
    path.write_text("x" * 100 + "\n" + "y" * logs.LIMIT)
    os.close(logs.opened(path))
    assert path.stat().st_size == logs.LIMIT // 2
    secret.write_text("secret")
    path.unlink()
    path.symlink_to(secret)
    os.close(logs.opened(path))
    assert (path.read_text(), path.is_symlink(), secret.read_text()) == ("", False, "secret")


def record(level, text):
    return logging.LogRecord("gaoler", level, __file__, 1, text, None, None)


def test_the_journal_gets_priorities_and_a_file_gets_dates(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        journal = logs.formatter(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        for level, number in ((logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)):
            assert journal.format(record(level, "one\ntwo")) == f"<{number}>one\n<{number}>two"
        for elsewhere in ({}, {"JOURNAL_STREAM": "1:2"}):
            assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d gaoler: one", logs.formatter(stream, elsewhere).format(record(logging.INFO, "one")))
