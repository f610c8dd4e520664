"""Starts and stops the daemon: as a service where systemd runs the host, in the background elsewhere."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from gaoler import logs, places
from gaoler.errors import Failed
from gaoler.host.command import run
from gaoler.host.peer import peer
from gaoler.host.stream import TAIL, plain_environment
from gaoler.setup.facts import Facts
from gaoler.setup.settings import Settings

UNIT = "gaoler.service"
TIMER = "gaoler-bases.timer"
MACHINES = "gaoler-machines.service"
UNITS = (UNIT, MACHINES, TIMER, "gaoler-bases.service")
UNITS_PLACE = Path("/etc/systemd/system")

#: How long the daemon may take to be ready, and to end, in seconds. It takes over running machines before it serves.
PATIENCE = 60.0


def has_systemd() -> bool:
    """Whether systemd runs this host (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def is_standard(settings: Settings) -> bool:
    """The unit names the standard places; an installation elsewhere runs in the background."""
    return settings == Settings.of({})


def use_systemd(settings: Settings) -> bool:
    return has_systemd() and is_standard(settings)


def pid(where: Path) -> int:
    """The process that listens on the daemon's socket, as the kernel knows it; 0 where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(where))
        except OSError:
            return 0
        return peer(sock).pid


def version(settings: Settings) -> str:
    """Changes when the daemon must be started anew: with program, environment and configuration."""
    program = Path(os.path.realpath(settings.current)).name
    return f"{program}\n{(settings.environment / 'stamp').read_text()}\n{settings.configuration.read_text()}"


def is_current(settings: Settings, facts: Facts) -> bool:
    """Whether the daemon answers, and is the installed one with the present configuration."""
    try:
        return bool(pid(facts.socket)) and (facts.runtime / "version").read_text() == version(settings)
    except OSError:
        return False


def start(settings: Settings, facts: Facts) -> None:
    """Starts the daemon anew and waits until it serves. Machines outlive this."""
    stop(settings, facts)
    if use_systemd(settings):
        for name in UNITS:
            shutil.copyfile(places.PACKAGING / name, UNITS_PLACE / name)
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--quiet", UNIT])
        run(["systemctl", "enable", "--quiet", "--now", MACHINES, TIMER])
        try:
            run(["systemctl", "start", UNIT])
        except Failed as error:
            journal = run(["journalctl", "--no-pager", "-n", str(TAIL), "-o", "cat", "-u", UNIT]).stdout
            raise Failed("the daemon does not start", journal.strip(), f"journalctl -u {UNIT}") from error
    else:
        start_in_background(settings, facts)
    (facts.runtime / "version").write_text(version(settings))


def forget(settings: Settings) -> None:
    """Takes the units out of systemd, where it knows them. The daemon must have ended."""
    known = [name for name in UNITS if (UNITS_PLACE / name).exists()]
    if not use_systemd(settings) or not known:
        return
    run(["systemctl", "disable", "--quiet", "--now", *known])
    for name in known:
        (UNITS_PLACE / name).unlink()
    run(["systemctl", "daemon-reload"])


def start_in_background(settings: Settings, facts: Facts) -> None:
    """Ready when it says so by sd_notify(3)'s protocol."""
    facts.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
    words = [str(settings.commands / "gaoler"), "--config", str(settings.configuration)]
    until_ready(words, facts.runtime / "gaoler.log", "the daemon", PATIENCE)


def until_ready(words: list[str], log: Path, name: str, patience: float) -> None:
    """Starts a program in a session of its own, output to a log, and waits until it says that it is ready; raises Failed."""
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


def stop(settings: Settings, facts: Facts) -> None:
    """Ends the daemon and waits until it has ended; machines run on."""
    if use_systemd(settings) and (UNITS_PLACE / UNIT).exists():
        run(["systemctl", "stop", UNIT])
    found = pid(facts.socket)
    if not found:
        return
    descriptor = os.pidfd_open(found)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise Failed("the daemon does not end", f"process {found} still runs after {PATIENCE:g} s", f"kill -9 {found}")
    finally:
        os.close(descriptor)
