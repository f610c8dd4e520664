"""Puts the metrics into a file at intervals, for a collector that reads files: node_exporter's textfile collector, say.

So nothing listens: what a root daemon serves to a network is one thing more to defend, and monitoring is there already.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from gaoler import files
from gaoler.daemon.metrics import Metrics

EVERY = 15.0
"""Seconds: as often as collectors usually look."""
_log = logging.getLogger(__name__)


class MetricsFile:
    """A thread that writes; where to is asked each time, and nowhere is an answer."""

    def __init__(self, metrics: Metrics, where: Callable[[], Path | None]) -> None:
        self._metrics = metrics
        self._where = where
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, name="metrics", daemon=True).start()

    def _work(self) -> None:
        told = ""
        while True:
            try:
                if path := self._where():
                    files.replace(path, self._metrics.text(), mode=0o644)
                told = ""
            except Exception as error:  # once, not every quarter of a minute
                if str(error) != told:
                    told = str(error)
                    _log.error("can't write the metrics: %s", error)
            self._ended.wait(EVERY)
