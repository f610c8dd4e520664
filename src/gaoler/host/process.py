"""Processes that are not our children, by identity: a pid alone may be reused, a pid with its start time is not."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import NotFound
from gaoler.host.clock import since_boot

_REAPED = 0.2
"""Seconds that init may take to reap somebody else's child; it takes microseconds where it has nothing else to do."""
_INFO_SIZE, _INFO_EXIT = 64, 1 << 3  # linux/pidfd.h: PIDFD_INFO_SIZE_VER0, PIDFD_INFO_EXIT
_PIDFD_GET_INFO = 3 << 30 | _INFO_SIZE << 16 | 0xFF << 8 | 11


@dataclass(frozen=True)
class Process:
    """A process for as long as this host runs.

    `start_time` is in clock ticks since boot (field 22 of proc_pid_stat(5)).

    Holds no descriptor, so that it can be written down and read back by the next daemon. After a reboot it means nothing.
    """

    pid: int
    start_time: int

    def pidfd(self) -> int:
        """A new pidfd of this very process, the caller's to close; raises ProcessLookupError when it is gone."""
        fd = os.pidfd_open(self.pid)
        # The descriptor pins the process first, then we look whether it is the one that is meant.
        if _start_time(self.pid) != self.start_time:
            os.close(fd)
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} is another one now")
        return fd

    def alive(self) -> bool:
        """Whether it has not ended yet (a zombie has)."""
        return not self.wait(0)

    def age(self) -> float:
        """Seconds since it was started, to a clock tick (10 ms), whatever was done to the time of day."""
        return since_boot() - self.start_time / os.sysconf("SC_CLK_TCK")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a process that is gone already needs none."""
        try:
            fd = self.pidfd()
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass  # ended since
        finally:
            os.close(fd)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; says whether it has.

        For the first process of a pid namespace this means that all of the namespace's processes are dead.
        """
        try:
            fd = self.pidfd()
        except ProcessLookupError:
            return True
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(None if timeout is None else max(0, timeout * 1000)))
        finally:
            os.close(fd)


def signal_of(pidfd: int) -> int:
    """The signal that has ended a process, which need not be our child; 0 where there was none, or the kernel does not tell.

    It does while the dead one waits for its parent, which is init, and from Linux 6.15 on afterwards as well.
    """
    until = time.monotonic() + _REAPED
    while True:
        if (code := _code_of_dead(pidfd)) is not None:
            return code & 0x7F
        told = bytearray(_INFO_EXIT.to_bytes(8, "little").ljust(_INFO_SIZE, b"\0"))  # struct pidfd_info
        try:
            fcntl.ioctl(pidfd, _PIDFD_GET_INFO, told)
            known = int.from_bytes(told[:8], "little") & _INFO_EXIT
        except ProcessLookupError:
            known = 0
        except OSError:
            return 0
        if known or time.monotonic() > until:
            return int.from_bytes(told[60:64], "little") & 0x7F if known else 0  # exit_code, as wait(2) has it
        time.sleep(0.005)  # nobody tells when it is in between


def _code_of_dead(pidfd: int) -> int | None:
    """The exit code, as wait(2) has it, of one that has ended and that nobody has waited for yet; None of any other."""
    try:
        told = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        pid = int(dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)["Pid"])
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()  # after the name, from the third one on
        still = Path(f"/proc/self/fdinfo/{pidfd}").read_text() == told  # so it was this one's
    except (OSError, ValueError, KeyError):
        return None
    return int(words[49]) if still and words[0] == b"Z" else None


def open_process(pid: int) -> Process:
    """The process that has this pid now; raises NotFound when there is none."""
    start_time = _start_time(pid)
    if start_time is None:
        raise NotFound(f"process {pid} is gone", "it has ended", f"ps {pid}")
    return Process(pid, start_time)


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command's name, which may hold spaces and parentheses.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])
