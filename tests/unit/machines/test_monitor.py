"""Descriptors are numbers, and a closed one's number is the next one's."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from gaoler.machines.monitor import Monitor

LONG = 20.0
"""Seconds; what is waited for takes none."""


def test_what_was_reported_of_a_closed_descriptor_is_not_taken_for_another_ones():
    monitor = Monitor()
    pipes = [os.pipe() for _ in range(2)]
    fresh: list[tuple[int, int]] = []
    wrong, over = [], threading.Event()

    def close_the_other(own: int) -> None:
        """As both are readable, the other one has been reported, too."""
        monitor.forget(pipes[own][0])
        reader, writer = pipes[1 - own]
        monitor.forget(reader)
        os.close(reader)
        fresh.append(os.pipe())
        assert fresh[0][0] == reader
        monitor.watch(reader, lambda: wrong.append(reader))
        monitor.after(0, over.set)
        os.close(writer)

    for own, (reader, writer) in enumerate(pipes):
        os.write(writer, b"x")
        monitor.watch(reader, lambda own=own: close_the_other(own))
    monitor.start()
    assert over.wait(LONG)
    assert not wrong
    monitor.forget(fresh[0][0])
    for descriptor in (*pipes[0], *pipes[1], fresh[0][1]):
        with suppress(OSError):  # one of the writers is closed
            os.close(descriptor)
