"""The console's FIFO, its log, and what of it may be shown."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from gaoler.host.console import Log, make, open_both, sanitised


def test_the_fifo_never_blocks_and_never_ends(tmp_path):
    path = tmp_path / "console"
    make(path)
    make(path)
    fd = open_both(path)
    try:
        os.write(fd, b"before anybody reads")
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(reader, 100) == b"before anybody reads"
        os.close(reader)
        written = 0
        try:
            while True:
                written += os.write(fd, b"x" * 4096)
        except BlockingIOError:
            pass
        assert written >= 65536
    finally:
        os.close(fd)


def test_the_log_keeps_the_newest_part_within_its_limit(tmp_path):
    path = tmp_path / "log"
    log = Log(path, 1000)
    everything = b"".join(b"%05d\n" % number for number in range(2000))
    for start in range(0, len(everything), 90):
        log.append(everything[start : start + 90])
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1000
    log.close()
    kept = path.with_name("log.1").read_bytes() + path.read_bytes()
    assert everything.endswith(kept)
    assert len(kept) >= 500


def test_the_log_goes_on_where_it_was(tmp_path):
    for text in (b"one", b"two"):
        log = Log(tmp_path / "log", 1000)
        log.append(text)
        log.close()
    assert (tmp_path / "log").read_bytes() == b"onetwo"


def test_one_piece_larger_than_the_log(tmp_path):
    log = Log(tmp_path / "log", 100)
    log.append(b"a" * 1000 + b"the end")
    log.close()
    assert (tmp_path / "log").read_bytes().endswith(b"the end")
    assert (tmp_path / "log").stat().st_size <= 100


def test_escape_sequences_are_gone_text_stays():
    hostile = b"a\x1b[31mred\x1b[0m\x1b]0;title\x07b\x1b]52;c;cGF5bG9hZA==\x1b\\c\x1bPq#0\x1b\\d\x1b(Be\x9b5nf\r\ng\th\x08\xff"
    assert sanitised(hostile) == "aredbcde\ufffd5nf\ng\th\ufffd"


@given(st.binary(max_size=200))
def test_whatever_comes_nothing_reaches_the_terminal_but_text(data):
    shown = sanitised(data)
    assert all(character in "\n\t" or (character >= " " and not "\x7f" <= character <= "\x9f") for character in shown)
