"""What the monitor does for one machine: its end, its milestones, its console, its time to live."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gaoler.configuration.grants import limit_of
from gaoler.errors import GaolerError
from gaoler.host import cgroup, console, mconsole
from gaoler.host.clock import since_boot
from gaoler.machines import disks, idling, live
from gaoler.machines.pace import Pace

if TYPE_CHECKING:
    from gaoler.machines.lifecycle import Machines
    from gaoler.machines.machine import Machine
    from gaoler.machines.monitor import Monitor

LOG_LIMIT = 1 << 20
"""Bytes of console output kept of a machine."""
_CONSOLE = (1 << 20, 1 << 20)
"""Bytes of console output taken at once, and a second from then on. More is lost to the machine that says it."""
_READ = 4096
"""Bytes that reading the console counts for at least: a byte at a time costs the daemon no less than a page at a time."""
_MILESTONES = (64, 8)
"""Milestones, likewise. A machine that tells more has to wait, with all that it does, until they are taken."""
_DATAGRAMS_AT_ONCE = 16
"""Milestones taken from one machine before the others have their turn."""
_LAST, _SHOWN = 2048, 120
"""Bytes of a console's end that are looked at for its last line; characters of that which are shown."""
_KERNEL_TIME = re.compile(r"^\[ *\d+\.\d+\] ")
OUT_OF_MEMORY = "it took more memory than it was given, and the host ended it"
_log = logging.getLogger(__name__)
_watches: dict[str, Watch] = {}


@dataclass
class Watch:
    pidfd: int
    notify: socket.socket
    output: int
    log: console.Log
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while descriptors are read, or closed: the monitor may be about to read what another thread closes."""
    closed: bool = False
    out_of_memory: int | None = None
    """Readable when its control group has run out (version 1)."""
    reason: str | None = None
    """Why it will have ended, where something tells."""
    mute: bool = False
    """Whether its log could not be written, which is told once."""
    said: Pace = field(default_factory=lambda: Pace(*_CONSOLE))
    told: Pace = field(default_factory=lambda: Pace(*_MILESTONES))


def attend(machines: Machines, machine: Machine, notify: socket.socket) -> None:
    """Watch a machine that runs, just started or found running. Its milestones come to `notify`, which is ours from now on."""
    observed = machine.live
    assert observed is not None
    runtime = machines.jailer.runtime(machine.record)
    try:
        pidfd = observed.process.pidfd()
    except ProcessLookupError:
        with notify, suppress(BlockingIOError):
            while True:
                _note(machines, machine, notify.recv(8192))
        _later(lambda: machines.ended(machine, observed))
        return
    try:
        output = os.open(runtime.console, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        os.close(pidfd)
        raise
    watch = Watch(
        pidfd,
        notify,
        output,
        console.Log(machines.log_path(machine.record), LOG_LIMIT),
        out_of_memory=cgroup.oom_event(machines.jailer.cgroup(machine.record)),
    )
    _watches[machine.record.id] = watch
    monitor = machines.monitor

    def died() -> None:
        _forget(monitor, watch, pidfd)
        _later(lambda: _bury(machines, machine, observed))

    def starved() -> None:
        """The kernel has killed one of its processes; what is left of it is no machine."""
        assert watch.out_of_memory is not None
        _forget(monitor, watch, watch.out_of_memory)
        watch.reason = OUT_OF_MEMORY
        observed.process.kill()

    machines.observe(machine, lambda known: known)  # on disk before the first milestone
    _listen(monitor, watch, watch.notify.fileno(), lambda: _hear(machines, machine, watch))
    _listen(monitor, watch, watch.output, lambda: _read_console(watch))
    monitor.watch(pidfd, died)
    if watch.out_of_memory is not None:
        monitor.watch(watch.out_of_memory, starved)
    if machine.record.ttl:
        monitor.after(machine.record.ttl - observed.process.age(), lambda: _expire(machines, machine, observed))
    if machine.record.disk:
        disks.follow(machines, machine, observed)
    idle = limit_of(machines.configuration.limits, machine.record.owner, "idle").value
    if idle:
        _look_for_idleness(machines, machine, observed, _mark(machines, machine), idle)


def leave(machines: Machines, machine: Machine) -> str | None:
    """Watch it no longer; what it has told, and what its console still had to say, is kept.

    Returns why it has ended, where that is known.
    """
    watch = _watches.pop(machine.record.id, None)
    if watch is None:
        return None
    _hear(machines, machine, watch)
    with watch.lock:
        watch.closed = True
        descriptors = [watch.pidfd, watch.output]
        if watch.out_of_memory is not None:
            descriptors.append(watch.out_of_memory)
        for descriptor in (*descriptors, watch.notify.fileno()):
            machines.monitor.forget(descriptor)
        _take(watch)
        watch.notify.close()
        for descriptor in descriptors:
            os.close(descriptor)
        watch.log.close()
    if watch.reason is None and cgroup.ran_out_of_memory(machines.jailer.cgroup(machine.record)):
        return OUT_OF_MEMORY
    return watch.reason


def last_words(machines: Machines, machine: Machine) -> str:
    """Why a machine has ended of itself, as far as its console tells."""
    try:
        lines = console.sanitised(console.tail(machines.log_path(machine.record), _LAST)).split("\n")
    except OSError:
        lines = []
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "its kernel ended by itself" + (f": {_KERNEL_TIME.sub('', words)[:_SHOWN]}" if words else "")


def _listen(monitor: Monitor, watch: Watch, descriptor: int, hear: Callable[[], float]) -> None:
    """Call `hear` when there is something; it returns for how many seconds not to listen again."""

    def heard() -> None:
        rest = hear()
        if rest:
            _forget(monitor, watch, descriptor)
            monitor.after(rest, again)

    def again() -> None:
        with watch.lock:
            if not watch.closed:
                monitor.watch(descriptor, heard)

    monitor.watch(descriptor, heard)


def _forget(monitor: Monitor, watch: Watch, descriptor: int) -> None:
    """Unless it is closed, and its number another machine's."""
    with watch.lock:
        if not watch.closed:
            monitor.forget(descriptor)


def _bury(machines: Machines, machine: Machine, observed: live.Live) -> None:
    machines.ended(machine, observed)
    if machine.record.ephemeral:
        machines.remove(machine, force=True)


def _hear(machines: Machines, machine: Machine, watch: Watch) -> float:
    for _ in range(_DATAGRAMS_AT_ONCE):
        with watch.lock:
            if watch.closed:
                return 0
            try:
                datagram = watch.notify.recv(8192)
            except BlockingIOError:
                return 0
        rest = watch.told.take(1)
        watch.reason = _note(machines, machine, datagram) or watch.reason
        if rest:
            return rest
    return 0


def _note(machines: Machines, machine: Machine, datagram: bytes) -> str | None:
    """Take a milestone for what it is; or why the machine's kernel comes to its end."""
    observed = machine.live
    notification = mconsole.parse_notify(datagram)
    if observed is None or notification is None:
        return None
    if notification.kind == "panic":
        observed.process.kill()  # it may only halt, and never end
        return f"its kernel panicked: {notification.text[:200]}"
    text = notification.text
    if notification.kind == "user" and live.told(observed, text) != observed:
        machines.observe(machine, lambda known: live.told(known, text))
    return None


def _read_console(watch: Watch) -> float:
    with watch.lock:
        return 0 if watch.closed else watch.said.take(max(_take(watch), _READ))


def _take(watch: Watch) -> int:
    """What the console has to say, into its log; how many bytes that was."""
    try:
        data = os.read(watch.output, 65536)
        if data:
            watch.log.append(data)
        return len(data)
    except BlockingIOError:
        return 0
    except OSError as error:
        if not watch.mute:
            watch.mute = True
            _log.warning("what a console says is lost: %s", error)
        return 65536  # not again at once


def _expire(machines: Machines, machine: Machine, observed: live.Live) -> None:
    if machine.live and machine.live.process == observed.process:
        _log.info("%s: its time to live is over", machine.record.id)
        _later(lambda: machines.stop(machine, reason="ttl"))


def _mark(machines: Machines, machine: Machine) -> idling.Mark:
    return idling.Mark(since_boot(), cgroup.used(machines.jailer.cgroup(machine.record)).cpu_seconds)


def _look_for_idleness(machines: Machines, machine: Machine, observed: live.Live, mark: idling.Mark, period: float) -> None:
    def look() -> None:
        if machine.live is None or machine.live.process != observed.process:
            return
        kept = idling.judge(mark, _mark(machines, machine), period)
        if kept is None:
            _log.info("%s: idle for %g s", machine.record.id, period)
            _later(lambda: machines.stop(machine, reason="idle"))
        else:
            _look_for_idleness(machines, machine, observed, kept, period)

    machines.monitor.after(period / idling.LOOKS, look)


def _later(work: Callable[[], None]) -> None:
    """Out of the monitor's thread: clearing up takes milliseconds, and locks."""

    def guarded() -> None:
        try:
            work()
        except (GaolerError, OSError) as error:
            _log.error("%s", error)

    threading.Thread(target=guarded, name="clear-up", daemon=True).start()


def expires(observed: live.Live | None, ttl: int | None) -> float | None:
    """When a machine's time to live is over, in seconds since the epoch as the clock stands now."""
    return time.time() + ttl - observed.process.age() if observed and ttl else None
