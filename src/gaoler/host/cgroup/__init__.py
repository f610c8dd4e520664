"""Control groups. Both versions behind one face: what differs is in `v1` and `v2`, and nobody else asks which it is."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.cgroup import v2
from gaoler.host.cgroup.hierarchy import Hierarchy, Used
from gaoler.host.cgroup.v1 import V1
from gaoler.host.cgroup.v2 import V2

ROOT = Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE")

PARENT = "gaoler"
"""Machines' groups are below this one, or below another installation's `gaoler-PREFIX`, in their owners' (owners.py), as other
runtimes have one below the root. At each daemon-reload systemd takes from the root's children the controllers that no unit of
its needs, and limits go with them (seen: io, and with DefaultTasksAccounting=no pids); it can't where a group below hands
them on (EBUSY).
"""


def host(root: Path | None = None) -> Hierarchy:
    """The control groups of this host, or of one whose are mounted at `root`."""
    root = root or ROOT
    return V2(root) if v2.is_at(root) else V1(root)


def directories(cgroup: str) -> list[Path]:
    """Where a control group lies: one directory, or one for each of version 1's hierarchies."""
    return host().directories(relative(cgroup))


def relative(cgroup: str) -> str:
    """The path of a control group from the root of its file system, with or without a leading slash on the way in."""
    below = cgroup.strip("/")
    if not below or ".." in below.split("/"):
        raise Failed(f"can't use control group {cgroup!r}", "it must be below the root", "gaol doctor")
    return below


def remove(cgroup: str, timeout: float = 5.0) -> None:
    """Remove a control group whose processes were killed; nothing when it is gone already. `timeout` is in seconds."""
    deadline = time.monotonic() + timeout
    for directory in directories(cgroup):
        while not _removed(directory):
            if time.monotonic() > deadline:
                raise Failed(
                    f"can't remove control group {directory}",
                    f"processes {_members(directory)} stay",
                    f"cat {directory}/cgroup.procs",
                )
            time.sleep(0.001)  # the kernel takes a dead process off its lists a moment after it told of the death
    for directory in host().left_behind(relative(cgroup)):
        shutil.rmtree(directory, ignore_errors=True)


def processes(cgroup: str) -> set[int]:
    """Pids in a control group; empty when there is none."""
    return {pid for directory in directories(cgroup) for pid in _members(directory)}


def exists(cgroup: str) -> bool:
    """Whether there is such a group, in any hierarchy."""
    return any(os.path.isdir(directory) for directory in directories(cgroup))


def limit(cgroup: str, memory: int, pids: int, slack: int = 0) -> None:
    """Let all in a group have so many bytes of memory, and processes and threads, at most; nothing where there is no group.

    With `slack` the kernel kills only so many bytes beyond that, for somebody else to choose before.
    """
    write(cgroup, host().ceilings(memory // PAGE * PAGE, pids, slack // PAGE * PAGE))


def write(cgroup: str, values: dict[str, str]) -> None:
    """Write to those of a group's files that are there, and say something else."""
    for directory in map(str, directories(cgroup)):  # most have none of them, and pathlib takes longer to say so than the kernel
        for name, value in values.items():
            with suppress(OSError):  # not there, or its machine has ended meanwhile and taken it along
                with open(f"{directory}/{name}", "rb", buffering=0) as file:
                    there = file.read()
                if there.split() != value.encode().split():
                    Path(directory, name).write_text(value)


def remove_empty(cgroup: str) -> None:
    """Remove a control group that other ones were in; nothing while one is there."""
    for directory in [*directories(cgroup), *host().left_behind(relative(cgroup))]:
        with suppress(OSError):
            directory.rmdir()


def children(cgroup: str) -> set[str]:
    """The names of the groups in a group; empty when there is none."""
    return {path.name for directory in directories(cgroup) for path in directory.glob("*/")}


def hurry() -> None:
    """Have the kernel do now what the first move of a process to another control group waits for: 4 to 17 ms.

    That is an RCU grace period, until all forks take the slow path of cgroup_threadgroup_rwsem (rcu_sync_enter). Another
    move within a grace period after that waits for none: 0.1 ms. So we move ourselves to where we are already.
    """
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        directory = ROOT / controllers.removeprefix("name=") / path.lstrip("/")
        with suppress(OSError):
            (directory / "cgroup.procs").write_text(str(os.getpid()))
            return


def pin(cgroup: str, cpu: int) -> None:
    """Run all threads of a control group on one processor from now on.

    By affinity, not by cpuset: on version 1 entering a cpuset takes 10 ms and more, and version 2 may not delegate it.
    A thread that is cloned meanwhile inherits its parent's affinity, old or new, so we go over them until all agree.
    """
    done: set[int] = set()
    while fresh := set(_threads(cgroup)) - done:
        for thread in fresh:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, {cpu})
        done |= fresh


def limit_cpus(cgroup: str, cpus: float) -> None:
    """Let a group have `cpus` processors' time from now on. Raises Failed."""
    for file, text in host().bandwidth(relative(cgroup), cpus).items():
        try:
            file.write_text(text)
        except OSError as error:
            raise Failed(f"can't change the processor time of {cgroup}", error.strerror or str(error), "gaol doctor") from None


def oom_event(cgroup: str) -> int | None:
    """A descriptor that is readable once the group has run out of memory; None where the kernel kills all of it then."""
    return host().oom_event(relative(cgroup))


def want_event(cgroup: str, memory: int) -> int | None:
    """A descriptor that is ready for `want_events` when a group begins to use `memory` bytes; None where there is no group."""
    return host().want_event(relative(cgroup), memory)


def want_events() -> int:
    """What `want_event` is ready for then (epoll(7))."""
    return host().want_events


def heed(event: int) -> None:
    """Have a descriptor of `want_event` be ready at the next time again."""
    host().heed(event)


def usage(cgroup: str) -> tuple[int, int]:
    """Bytes of memory that a group uses with all below it: in all, and without files that could be read again."""
    return host().usage(relative(cgroup))


def ran_out_of_memory(cgroup: str) -> bool:
    """Whether the kernel killed a process of the group for want of memory; to be asked before the group is removed."""
    return host().ran_out_of_memory(relative(cgroup))


def freeze(cgroup: str, timeout: float = 2.0) -> None:
    """Hold all processes of a group; returns when they stand still. Raises Failed after `timeout` seconds: they go on then."""
    group, deadline = relative(cgroup), time.monotonic() + timeout
    try:
        host().freeze(group, frozen=True)
        while not host().is_frozen(group):
            if time.monotonic() > deadline:
                host().freeze(group, frozen=False)
                raise Failed("its processes don't stand still", f"one of them waited for the host for {timeout:g} s", "gaol top")
            time.sleep(0.001)
    except OSError as error:
        raise Failed(f"can't freeze control group {cgroup}", error.strerror or str(error), "gaol doctor") from None


def thaw(cgroup: str) -> None:
    """Let the processes of a group go on; nothing where they do. Raises Failed."""
    try:
        host().freeze(relative(cgroup), frozen=False)
    except FileNotFoundError:
        pass  # it has gone
    except OSError as error:
        raise Failed(f"can't thaw control group {cgroup}", error.strerror or str(error), "gaol doctor") from None


def is_frozen(cgroup: str) -> bool:
    """Whether all processes of a group stand still."""
    return host().is_frozen(relative(cgroup))


def used(cgroup: str) -> Used:
    """What a group uses now. Zeros for what the host does not count."""
    return host().used(relative(cgroup))


def _threads(cgroup: str) -> Iterator[int]:
    for pid in _members(directories(cgroup)[0]):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())


def _members(directory: Path) -> list[int]:
    try:
        return [int(pid) for pid in (directory / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno != errno.ENODEV:  # removed after we opened it
            raise
        return []


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
