"""A program that runs on when set-up is over: a unit of systemd where that runs the host, in the background elsewhere."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gaoler import logs
from gaoler.errors import Failed
from gaoler.host.command import run
from gaoler.host.stream import TAIL, plain_environment
from gaoler.setup import unit_files
from gaoler.setup.settings import Settings


def has_systemd() -> bool:
    """Whether systemd runs this host (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def use_systemd(settings: Settings) -> bool:
    return has_systemd() and unit_files.are_possible(settings)


@dataclass(frozen=True)
class Service:
    """Whoever starts it anew ends the one that runs first, so there is one of it at most."""

    name: str
    """As messages say it: `the daemon`."""
    program: str
    """Its command, in the installation's bin/."""
    settings: Settings
    runtime: Path
    log: str
    """In `runtime`; where systemd watches it there is none."""
    stamp: str
    """In `runtime`: the version that was started last."""
    version: Callable[[], str]
    """Changes when it must be started anew. May raise OSError where it isn't installed."""
    pid: Callable[[], int]
    """The process that serves, 0 where none does."""
    patience: float
    """Seconds that it may take to be ready, and to end."""
    unit: str
    """Units are named as in packaging/: each installation has its own of them."""
    beside: tuple[str, ...] = ()
    """Units that come and go with it, and are started before it."""
    further: tuple[str, ...] = ()
    """Units that those start."""

    def is_current(self) -> bool:
        """Whether it runs, and is the installed one with the present configuration."""
        try:
            return bool(self.pid()) and (self.runtime / self.stamp).read_text() == self.version()
        except OSError:
            return False

    def start(self) -> None:
        """Start it anew and wait until it serves. Raises Failed with its last words."""
        self.stop()
        if use_systemd(self.settings):
            self._start_unit()
        else:
            self.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
            words = [str(self.settings.commands / self.program), "--config", str(self.settings.configuration)]
            until_ready(words, self.runtime / self.log, self.name, self.patience)
        (self.runtime / self.stamp).write_text(self.version())

    def _start_unit(self) -> None:
        unit_files.install(self.settings, (self.unit, *self.beside, *self.further))
        unit, *beside = (unit_files.name(self.settings, name) for name in (self.unit, *self.beside))
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--quiet", unit])
        if beside:
            run(["systemctl", "enable", "--quiet", "--now", *beside])
        try:
            run(["systemctl", "start", unit])
        except Failed as error:
            journal = run(["journalctl", "--no-pager", "-n", str(TAIL), "-o", "cat", "-u", unit]).stdout
            raise Failed(f"{self.name} does not start", journal.strip(), f"journalctl -u {unit}") from error

    def stop(self) -> None:
        """End it and wait until it has ended. Raises Failed."""
        if use_systemd(self.settings) and (own := unit_files.installed(self.settings, (self.unit,))):
            run(["systemctl", "stop", *own])
        found = self.pid()
        if not found:
            return
        try:
            descriptor = os.pidfd_open(found)
        except ProcessLookupError:  # ended since
            return
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], self.patience)[0]:
                why = f"process {found} still runs after {self.patience:g} s"
                raise Failed(f"{self.name} does not end", why, f"kill -9 {found}")
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


def forget(settings: Settings, units: tuple[str, ...]) -> None:
    """Take this installation's units out of systemd, where it knows them. What they name must have ended."""
    known = unit_files.installed(settings, units)
    if not use_systemd(settings) or not known:
        return
    run(["systemctl", "disable", "--quiet", "--now", *known])
    for name in known:
        (unit_files.PLACE / name).unlink()
    run(["systemctl", "daemon-reload"])


def until_ready(words: list[str], log: Path, name: str, patience: float) -> None:
    """Start a program in a session of its own, output to a log, and wait until it says that it is ready; raises Failed.

    It says so by sd_notify(3)'s protocol.
    """
    with (
        tempfile.TemporaryDirectory(prefix="gaoler-") as directory,
        open(logs.opened(log), "wb") as out,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
    ):
        ready.bind(f"{directory}/ready")
        process = subprocess.Popen(
            words,
            env={**plain_environment(), "NOTIFY_SOCKET": f"{directory}/ready"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        ended = os.pidfd_open(process.pid)
        try:
            found = select.select([ready.fileno(), ended], [], [], patience)[0]
            if ready.fileno() in found:
                return
        finally:
            os.close(ended)
    if not found:
        process.terminate()
    last = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
    why = "" if found else f"it is not ready after {patience:g} s; "
    raise Failed(f"{name} does not start", why + last, f"less {log}")
