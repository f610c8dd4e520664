"""Which configuration holds: the file's, if this host can have it; else the last one that held, loudly.

A mistake in the file stops nothing: a daemon that runs goes on with what it had, and one that starts, after a reboot or an
upgrade, takes what the one before it had, which is kept beside the file. What of a changed file holds at once, and what from the
next start on, is told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from gaoler import files
from gaoler.configuration import holding
from gaoler.configuration.file import load, read
from gaoler.configuration.model import Configuration
from gaoler.daemon import verify
from gaoler.errors import GaolerError
from gaoler.host.clock import since_boot

_BOOTING = 120.0
"""Seconds after the host's start in which an interface that is missing may yet come: who waits for it starts again and again."""
_log = logging.getLogger(__name__)


@dataclass
class Decided:
    """The configuration that holds, and where it is from. `configuration` is the same object as long as the daemon runs."""

    path: Path
    configuration: Configuration
    why: str = ""
    """What is wrong with the file, where the last good one holds in its place."""
    lock: Lock = field(default_factory=Lock)

    def reload(self) -> tuple[list[str], list[str]]:
        """Take what the file says by now, as far as that holds at once. Returns what does, and what waits for the next start.

        Raises Usage for a file with mistakes: nothing has changed then.
        """
        with self.lock:
            try:
                text, wanted = read(self.path)
                verify.refuse(self.path, text, verify.refused(wanted))
            except GaolerError as error:
                self.why = str(error)
                raise
            now, later = holding.adopt(self.configuration, wanted)
            self.why = ""
            _keep(self.path, text)
        return now, later

    def differences(self) -> str:
        """What the file says that does not hold yet. Raises Usage for a file with mistakes, in place of which this one holds."""
        return holding.told(*holding.differences(self.configuration, verify.loaded(self.path)))


def kept(path: Path) -> Path:
    """Where the last configuration lies that held."""
    return path.with_name(f"{path.name}.last-good")


def decide(path: Path) -> Decided:
    """For a daemon that starts. Raises Usage where the file has mistakes and no earlier one is known to be better."""
    try:
        text, configuration = read(path)
        # What the store is on is not to be guessed: its own mistakes stop a start (daemon/store.py).
        found = [one for one in verify.refused(configuration) if one.key[0] != "store"]
        verify.refuse(path, text, found)
    except GaolerError as error:
        if not kept(path).exists() or (_may_come(path) and since_boot() < _BOOTING):
            raise
        _log.critical("%s", error)
        _log.critical("going on with the configuration that was good last, %s; gaoler --check tells when this one is", kept(path))
        return Decided(path, load(kept(path)), str(error))
    return Decided(path, configuration)


def keep(decided: Decided) -> None:
    """Remember it: with that the daemon serves."""
    if not decided.why:
        try:
            _keep(decided.path, read(decided.path)[0])
        except GaolerError as error:  # changed since: what is there now is for `reload`
            _log.info("%s", error)


def _may_come(path: Path) -> bool:
    try:
        return all(one.absent for one in verify.refused(load(path)))
    except GaolerError:
        return False


def _keep(path: Path, text: str) -> None:
    try:
        if not kept(path).exists() or kept(path).read_text() != text:
            files.replace(kept(path), text.encode(), mode=path.stat().st_mode & 0o777, durable=True)
    except OSError as error:  # /etc may be read-only
        _log.warning("the configuration is not kept for when another one is bad: %s", error)
