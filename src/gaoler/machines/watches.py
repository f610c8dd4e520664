"""What is watched of machines that run: their end, milestones and consoles, and that their clocks are set."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gaoler import background
from gaoler.host import cgroup, console, mconsole
from gaoler.host.process import signal_of
from gaoler.machines import live
from gaoler.machines.clocks import Clocks
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.pace import Pace
from gaoler.machines.registry import Registry
from gaoler.machines.tally import Reason

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
_STARVED_AGAIN, _STARVED_LAST = 0.05, 6.0
"""Seconds until it is looked whom the kernel has killed for want of memory, twice as many each time: it may take its time."""
_KERNEL_TIME = re.compile(r"^\[ *\d+\.\d+\] ")
OUT_OF_MEMORY = "it took more memory than it was given, and the host ended it"
_log = logging.getLogger(__name__)


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
    starving: bool = False
    """Whether somebody looks already whom that kills."""
    reason: str | None = None
    """Why it will have ended, where something tells."""
    for_memory: bool = False
    """Whether that is memory."""
    mute: bool = False
    """Whether its log could not be written, which is told once."""
    said: Pace = field(default_factory=lambda: Pace(*_CONSOLE))
    told: Pace = field(default_factory=lambda: Pace(*_MILESTONES))


class Watches:
    """Those of one daemon.

    `on_told` is called with each milestone, from the monitor's thread; `on_end` when a process has gone, and `on_expiry`
    when a machine is to be stopped and why, from threads of their own.
    """

    def __init__(
        self,
        registry: Registry,
        jailer: Jailer,
        monitor: Monitor,
        *,
        on_told: Callable[[Machine, Callable[[Live], Live]], object],
        on_end: Callable[[Machine, Live], None],
        on_expiry: Callable[[Machine, Reason], None],
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._monitor = monitor
        self._on_told, self._on_end = on_told, on_end
        self.clocks = Clocks(registry, jailer, monitor, on_expiry)
        self._watches: dict[str, Watch] = {}

    def attend(self, machine: Machine, notify: socket.socket) -> None:
        """Watch a machine that runs, just started or found running.

        Its milestones come to `notify`, which is ours from now on. Raises OSError.
        """
        seen = machine.live
        assert seen is not None
        runtime = self._jailer.runtime(machine.record)
        try:
            pidfd = seen.process.pidfd()
        except ProcessLookupError:
            with notify, suppress(BlockingIOError):
                while True:
                    self._note(machine, notify.recv(8192))
            background.later(lambda: self._on_end(machine, seen))
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
            console.Log(self._registry.log_path(machine.record), LOG_LIMIT),
            out_of_memory=cgroup.oom_event(self._jailer.cgroup(machine.record)),
        )
        self._watches[machine.record.id] = watch

        def died() -> None:
            self._forget(watch, pidfd)
            background.later(lambda: self._on_end(machine, seen))

        def starved(wait: float = _STARVED_AGAIN) -> None:
            """Memory has run out, of this machine or of all of its owner's: who is chosen is killed a moment after this is told.

            Where the kernel has killed one of its processes, what is left of it is not a machine.
            """
            with watch.lock:
                if watch.closed or watch.out_of_memory is None:
                    return
                with suppress(BlockingIOError):
                    os.read(watch.out_of_memory, 8)
                if wait == _STARVED_AGAIN and watch.starving:
                    return  # it is looked at already
                watch.starving = wait < _STARVED_LAST
            if cgroup.ran_out_of_memory(self._jailer.cgroup(machine.record)):
                self._forget(watch, watch.out_of_memory)
                watch.reason, watch.for_memory = OUT_OF_MEMORY, True
                seen.process.kill()
            elif wait < _STARVED_LAST:
                self._monitor.after(wait, lambda: starved(2 * wait))

        self._listen(watch, watch.notify.fileno(), lambda: self._hear(machine, watch))
        self._listen(watch, watch.output, lambda: _read_console(watch))
        self._monitor.watch(pidfd, died)
        if watch.out_of_memory is not None:
            self._monitor.watch(watch.out_of_memory, starved)
        if seen.given:
            self.clocks.set(machine, seen)

    def end(self, machine: Machine, seen: Live, why: str) -> None:
        """End a machine for want of memory. `why` is what its owner is told."""
        watch = self._watches.get(machine.record.id)
        if watch is not None:
            watch.reason, watch.for_memory = why, True
        seen.process.kill()

    def leave(self, machine: Machine) -> tuple[str | None, bool]:
        """Watch it no longer; what it has told, and what its console still had to say, is kept.

        Returns why it has ended, where that is known, and whether that is memory.
        """
        watch = self._watches.pop(machine.record.id, None)
        if watch is None:
            return None, False
        self._hear(machine, watch)
        with watch.lock:
            watch.closed = True
            descriptors = [watch.pidfd, watch.output]
            if watch.out_of_memory is not None:
                descriptors.append(watch.out_of_memory)
            for descriptor in (*descriptors, watch.notify.fileno()):
                self._monitor.forget(descriptor)
            take(watch)
            watch.notify.close()
            for descriptor in descriptors:
                os.close(descriptor)
            watch.log.close()
        if watch.reason is None and cgroup.ran_out_of_memory(self._jailer.cgroup(machine.record)):
            return OUT_OF_MEMORY, True
        return watch.reason, watch.for_memory

    def killed_by(self, machine: Machine) -> int:
        """The signal that has ended its kernel; 0 where there was none, or nobody tells."""
        watch = self._watches.get(machine.record.id)
        if watch is None:
            return 0
        with watch.lock:
            return 0 if watch.closed else signal_of(watch.pidfd)

    # hearing

    def _listen(self, watch: Watch, descriptor: int, hear: Callable[[], float]) -> None:
        """Call `hear` when there is something; it returns for how many seconds not to listen again."""

        def heard() -> None:
            rest = hear()
            if rest:
                self._forget(watch, descriptor)
                self._monitor.after(rest, again)

        def again() -> None:
            with watch.lock:
                if not watch.closed:
                    self._monitor.watch(descriptor, heard)

        self._monitor.watch(descriptor, heard)

    def _forget(self, watch: Watch, descriptor: int) -> None:
        """Unless it is closed, and its number another machine's."""
        with watch.lock:
            if not watch.closed:
                self._monitor.forget(descriptor)

    def _hear(self, machine: Machine, watch: Watch) -> float:
        for _ in range(_DATAGRAMS_AT_ONCE):
            with watch.lock:
                if watch.closed:
                    return 0
                try:
                    datagram = watch.notify.recv(8192)
                except BlockingIOError:
                    return 0
            rest = watch.told.take(1)
            watch.reason = self._note(machine, datagram) or watch.reason
            if rest:
                return rest
        return 0

    def _note(self, machine: Machine, datagram: bytes) -> str | None:
        """Take a milestone for what it is; or why the machine's kernel comes to its end."""
        seen = machine.live
        notification = mconsole.parse_notify(datagram)
        if seen is None or notification is None:
            return None
        if notification.kind == "panic":
            seen.process.kill()  # it may only halt, and never end
            return f"its kernel panicked: {notification.text[:200]}"
        text = notification.text
        own = partial(self._jailer.network.gave, machine.record)
        if notification.kind == "user" and live.told(seen, text, own) != seen:
            self._on_told(machine, lambda known: live.told(known, text, own))
        return None


def last_words(log: Path, killed_by: int = 0) -> str:
    """Why a machine has ended of itself, as far as the host, or its console, tells."""
    try:
        lines = console.sanitised(console.tail(log, _LAST)).split("\n")
    except OSError:
        lines = []
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    what = "its kernel ended by itself"
    if killed_by:
        name = signal.Signals(killed_by).name if killed_by in set(signal.Signals) else "of real time"
        what = f"its kernel was killed by signal {killed_by} ({name})"
    return what + (f"; the last on its console: {_KERNEL_TIME.sub('', words)[:_SHOWN]}" if words else "")


def _read_console(watch: Watch) -> float:
    with watch.lock:
        return 0 if watch.closed else watch.said.take(max(take(watch), _READ))


def take(watch: Watch) -> int:
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
