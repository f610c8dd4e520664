"""A gigabyte on a machine's console, through the code that takes it. Without the rate, which makes that last 17 minutes."""

from __future__ import annotations

import os
import resource
import select
import socket
import subprocess
from pathlib import Path

from gaoler.host import console
from gaoler.machines import watches

GIGABYTE = 1 << 30
ROOM = 16 << 20
"""Bytes that this process may grow by: a sixty-fourth of what comes."""
LINE = b"\x1b[31mred\x1b[0m\x1b]0;a title\x07\x1b]52;c;cGFzdGU=\x1b\\\x1b[c\xc2\x9b6n\xff\r\b the end of the line"


def held() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_gigabyte_of_escape_sequences(tmp_path):
    console.make(tmp_path / "console")
    output = console.open_both(tmp_path / "console")
    notify, machine = socket.socketpair()
    log = tmp_path / "log"
    watch = watches.Watch(-1, notify, output, console.Log(log, watches.LOG_LIMIT))
    taken, before = 0, held()
    # An open file of its own, which waits: a machine's does not, and loses what finds no room.
    with notify, machine, (tmp_path / "console").open("wb") as waiting:
        says = subprocess.Popen(["yes", os.fsdecode(LINE)], stdout=waiting)
        try:
            for number in range(GIGABYTE):
                assert select.select([output], [], [], 30)[0], f"it stands still after {taken} bytes"
                taken += watches.take(watch)
                if number % 1000 == 0:
                    assert held() - before < ROOM
                    assert sum(path.stat().st_size for path in log.parent.glob("log*")) <= watches.LOG_LIMIT
                if taken >= GIGABYTE:
                    break
        finally:
            says.kill()
            says.wait()
            watch.log.close()
            os.close(output)
    assert taken >= GIGABYTE
    kept = log.with_name("log.1").read_bytes() + log.read_bytes()
    assert watches.LOG_LIMIT / 2 <= len(kept) <= watches.LOG_LIMIT
    whole = kept.split(b"\n")[1:-1]
    assert set(whole) == {LINE}, "in order, and nothing lost"
    assert set(console.sanitised(b"\n".join(whole)).split("\n")) == {"red6n\ufffd the end of the line"}
