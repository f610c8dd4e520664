"""Puts the metrics into a file at intervals, for a collector that reads files: node_exporter's textfile collector, say.

So nothing listens: what a root daemon serves to a network is one thing more to defend, and monitoring is there already.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from pathlib import Path

from gaoler.daemon.metrics import Metrics

EVERY = 15.0
"""Seconds: as often as collectors usually look."""
_log = logging.getLogger(__name__)


class MetricsFile:
    """A thread that writes."""

    def __init__(self, metrics: Metrics, path: Path) -> None:
        self._metrics = metrics
        self._path = path
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, name="metrics", daemon=True).start()

    def _work(self) -> None:
        told = ""
        while True:
            try:
                replace(self._path, self._metrics.text())
                told = ""
            except Exception as error:  # once, not every quarter of a minute
                if str(error) != told:
                    told = str(error)
                    _log.error("can't write the metrics: %s", error)
            self._ended.wait(EVERY)


def replace(path: Path, data: bytes) -> None:
    """Put a new file, readable for everybody, in the place of whatever was there. Raises OSError.

    The directory may belong to somebody else, who may have put links in it: none is followed.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        new = f".{path.name}.{secrets.token_hex(8)}"  # no collector takes it for a file of metrics
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=directory)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
            os.rename(new, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(new, dir_fd=directory)
            raise
    finally:
        os.close(directory)
