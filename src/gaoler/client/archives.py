"""Machines written to a file and read from one: the streams of `Export` and `Import`.

The daemon tells how far it is while the stream flows, and waits where nobody reads that: the stream has a thread of its own.
"""

from __future__ import annotations

import os
from threading import Thread

from gaoler.errors import GaolerError

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gaoler.client import Gaoler
    from gaoler.client.methods import Progress

_PIECE = 1 << 18


def export(gaoler: Gaoler, name: str, write: Callable[[bytes], object], progress: Progress | None = None) -> dict[str, Any]:
    """Have `write` take a machine's archive piece by piece, in another thread; the last reply of `Export`.

    Raises GaolerError, and what `write` raises.
    """

    def copy(source: int) -> None:
        while piece := os.read(source, _PIECE):
            write(piece)

    return _streamed(gaoler, "Export", name, copy, progress, ends=True)


def import_(
    gaoler: Gaoler, read: Callable[[int], bytes], name: str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Make a machine of an archive that `read` gives piece by piece, in another thread; the last reply of `Import`.

    Raises GaolerError, and what `read` raises.
    """

    def copy(sink: int) -> None:
        while piece := read(_PIECE):
            view = memoryview(piece)
            try:
                while view:
                    view = view[os.write(sink, view) :]
            except BrokenPipeError:
                return  # the daemon says why

    return _streamed(gaoler, "Import", name, copy, progress, ends=False)


def _streamed(
    gaoler: Gaoler, method: str, name: str | None, copy: Callable[[int], None], progress: Progress | None, *, ends: bool
) -> dict[str, Any]:
    """`ends`: the stream ends with the daemon's work, also where that fails. What is read here may come hours later, or never."""
    last: dict[str, Any] = {}
    copies: list[_Copy] = []
    failed: GaolerError | None = None
    try:
        for last in gaoler.replies(method, {"name": name}):
            if progress and "step" in last:
                progress(last)
            for descriptor in gaoler.descriptors():
                copies.append(_Copy(copy, descriptor))
                copies[-1].start()
    except GaolerError as error:
        failed = error
    for one in copies:
        if ends or not failed:
            one.join()
        if one.broken:
            raise one.broken  # of which the daemon knows the consequence only
    if failed:
        raise failed
    return last


class _Copy(Thread):
    """Copies from or to a descriptor of the daemon's, and closes it, which tells the daemon that nothing more comes."""

    def __init__(self, copy: Callable[[int], None], descriptor: int) -> None:
        super().__init__(daemon=True)
        self.broken: BaseException | None = None
        """What it was ended by; set before the daemon can notice."""
        self._copy = copy
        self._descriptor = descriptor

    def run(self) -> None:
        try:
            self._copy(self._descriptor)
        except BaseException as error:
            self.broken = error
        finally:
            os.close(self._descriptor)
