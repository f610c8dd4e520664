"""Machines written to a file and read from one: the streams of `Export` and `Import`."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gaoler.client import Gaoler
    from gaoler.client.methods import Progress

_PIECE = 1 << 18


def export(gaoler: Gaoler, name: str, write: Callable[[bytes], object], progress: Progress | None = None) -> dict[str, Any]:
    """Have `write` take a machine's archive piece by piece; the last reply of `Export`. Raises GaolerError."""
    last: dict[str, Any] = {}
    for last in gaoler.replies("Export", {"name": name}):
        _tell(progress, last)
        for descriptor in gaoler.descriptors():
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                while piece := stream.read(_PIECE):
                    write(piece)
    return last


def import_(
    gaoler: Gaoler, read: Callable[[int], bytes], name: str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Make a machine of an archive that `read` gives piece by piece; the last reply of `Import`. Raises GaolerError."""
    last: dict[str, Any] = {}
    for last in gaoler.replies("Import", {"name": name}):
        _tell(progress, last)
        for descriptor in gaoler.descriptors():
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                _copy(read, stream.fileno())
    return last


def _copy(read: Callable[[int], bytes], sink: int) -> None:
    try:
        while piece := read(_PIECE):
            view = memoryview(piece)
            while view:
                view = view[os.write(sink, view) :]
    except BrokenPipeError:
        return  # the daemon says why


def _tell(progress: Progress | None, reply: dict[str, Any]) -> None:
    if progress and "step" in reply:
        progress(reply)
