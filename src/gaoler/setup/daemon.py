"""The daemon as a service. Machines outlive it: they run on when it is stopped, and the next one takes them over."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from gaoler.host.peer import peer
from gaoler.setup.facts import Facts
from gaoler.setup.service import Service
from gaoler.setup.settings import Settings

UNIT = "gaoler.service"
BESIDE = ("gaoler-machines.service", "gaoler-bases.timer")
FURTHER = ("gaoler-bases.service",)
UNITS = (UNIT, *BESIDE, *FURTHER)

#: In seconds. It takes over running machines before it serves.
PATIENCE = 60.0


def of(settings: Settings, facts: Facts) -> Service:
    return Service(
        name="the daemon",
        program="gaoler",
        settings=settings,
        runtime=facts.runtime,
        log="gaoler.log",
        stamp="version",
        version=lambda: version(settings),
        pid=lambda: pid(facts.socket),
        patience=PATIENCE,
        unit=UNIT,
        beside=BESIDE,
        further=FURTHER,
    )


def pid(where: Path) -> int:
    """The process that listens on the daemon's socket, as the kernel knows it; 0 where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(where))
        except OSError:
            return 0
        return peer(sock).pid


def version(settings: Settings) -> str:
    """Changes with program, environment and configuration."""
    program = Path(os.path.realpath(settings.current)).name
    return f"{program}\n{(settings.environment / 'stamp').read_text()}\n{settings.configuration.read_text()}"
