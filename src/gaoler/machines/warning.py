"""Whoever works in a machine that is about to be stopped is told: at each terminal inside, and by mail where the host has it."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from pathlib import Path

from gaoler.errors import GaolerError
from gaoler.host import agent
from gaoler.host.command import run
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.units import show_duration

SENDMAIL = Path("/usr/sbin/sendmail")
"""Each mail server's, by the name that all of them have."""
_LONGEST = 900.0
_PATIENCE = 10.0
_log = logging.getLogger(__name__)


def lead(ttl: float) -> float:
    """Seconds before its end that a machine of so many is warned: a quarter of an hour, or of its time."""
    return min(_LONGEST, ttl / 4)


def warn(jailer: Jailer, machine: Machine, left: float) -> None:
    """Of the end of its time. Never fails: who can't be told is not."""
    name = machine.record.name
    _log.info("%s: %g s of its time are left", machine.record.label, left)
    why = f"its time is over then. Its files stay. On the host: gaol extend {name} 2h"
    tell(jailer, machine, f"{name} is stopped in {show_duration(left)}", why)


def tell(jailer: Jailer, machine: Machine, what: str, why: str) -> None:
    """Tell what is to happen, which is the mail's subject, and why. Never fails."""
    owner, text = machine.record.owner, f"{what}: {why}"
    try:
        _say(jailer.runtime(machine.record).agent, text)
    except (GaolerError, OSError) as error:
        _log.info("%s: nobody inside is told: %s", machine.record.label, error)
    if owner.uid and SENDMAIL.exists():
        heads = f"To: {owner.name}\nSubject: gaol: {what}\nAuto-Submitted: auto-generated"
        try:
            run([str(SENDMAIL), "-i", "--", owner.name], input=f"{heads}\n\n{text}\n".encode(), timeout=_PATIENCE)
        except GaolerError as error:
            _log.info("%s: its owner gets no mail: %s", machine.record.label, error)


def _say(place: Path, text: str) -> None:
    sockets = agent.open_session(place, agent.SessionRequest(secrets.token_hex(16), arguments=("wall", text)))
    with sockets.control as control:
        for stream in sockets.streams:
            stream.close()
        deadline = time.monotonic() + _PATIENCE  # over all that it says: it may say a little again and again
        with suppress(TimeoutError):  # a machine that is as slow is not waited for
            while (left := deadline - time.monotonic()) > 0:
                control.settimeout(left)
                if not control.recv(4096):
                    break
