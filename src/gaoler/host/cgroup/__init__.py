"""Control groups, version 2, and version 1 as best effort."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed

ROOT = Path("/sys/fs/cgroup")

PARENT = "gaoler"
"""Machines' groups are below this one, in their owners' (owners.py), as other runtimes have one below the root. At each
daemon-reload systemd takes from the root's children the controllers that no unit of its needs, and limits go with them (seen:
io, and with DefaultTasksAccounting=no pids); it can't where a group below hands them on (EBUSY).
"""

UNIFIED = "unified"  # where systemd puts an additional version 2 hierarchy, without controllers

_SHARES = 1024 * 16
"""Of processors, of all machines together, on version 1, where each single process of the host has 1024. On version 2 they
have as much as all of the host's services (systemd's system.slice), which is the standard weight, 100.
"""


def is_v2() -> bool:
    """Whether the whole host uses the unified hierarchy."""
    return (ROOT / "cgroup.controllers").exists()


def directories(cgroup: str) -> list[Path]:
    """Where a control group lies: one directory, or one for each of version 1's hierarchies."""
    below = relative(cgroup)
    if is_v2():
        return [ROOT / below]
    # Version 1 names some hierarchies twice by symbolic links (cpu, cpuacct).
    hierarchies = (entry for entry in os.scandir(ROOT) if entry.is_dir(follow_symlinks=False))
    return [Path(entry.path) / below for entry in hierarchies if entry.name != UNIFIED]


def relative(cgroup: str) -> str:
    """The path of a control group from the root of its file system, with or without a leading slash on the way in."""
    below = cgroup.strip("/")
    if not below or ".." in below.split("/"):
        raise Failed(f"cannot use control group {cgroup!r}", "it must be below the root")
    return below


def remove(cgroup: str, timeout: float = 5.0) -> None:
    """Remove a control group whose processes were killed; nothing when it is gone already. `timeout` is in seconds."""
    deadline = time.monotonic() + timeout
    for directory in directories(cgroup):
        while not _removed(directory):
            if time.monotonic() > deadline:
                raise Failed(f"cannot remove control group {directory}", f"processes {_members(directory)} stay")
            time.sleep(0.001)  # the kernel takes a dead process off its lists a moment after it told of the death
    if not is_v2():  # crun makes an ordinary directory in what jail.prepare_host mounts there
        shutil.rmtree(ROOT / UNIFIED / relative(cgroup), ignore_errors=True)


def processes(cgroup: str) -> set[int]:
    """Pids in a control group; empty when there is none."""
    return {pid for directory in directories(cgroup) for pid in _members(directory)}


def weigh_parent() -> None:
    """Give all machines together their share of the processors, on version 1."""
    for directory in directories(PARENT):
        if not is_v2() and (directory.parent / "cpu.shares").exists():
            directory.mkdir(exist_ok=True)
            (directory / "cpu.shares").write_text(str(_SHARES))


def remove_empty(cgroup: str) -> None:
    """Remove a control group that other ones were in; nothing while one is there."""
    for directory in [*directories(cgroup), ROOT / UNIFIED / relative(cgroup)]:
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


def oom_event(cgroup: str) -> int | None:
    """A descriptor that is readable once the group has run out of memory; None on version 2, and where there is none.

    Version 2 kills the whole group by itself (memory.oom.group). Version 1 kills one process, and the rest of a machine
    would limp on: whoever hears this ends it.
    """
    if is_v2():
        return None
    group = ROOT / "memory" / relative(cgroup)
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        with (group / "memory.oom_control").open() as control:
            (group / "cgroup.event_control").write_text(f"{event} {control.fileno()}")
    except OSError:  # it has gone already
        os.close(event)
        return None
    return event


def ran_out_of_memory(cgroup: str) -> bool:
    """Whether the kernel killed a process of the group for want of memory; to be asked before the group is removed."""
    below = relative(cgroup)
    path = ROOT / below / "memory.events" if is_v2() else ROOT / "memory" / below / "memory.oom_control"
    try:
        counted = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return False
    return counted.get("oom_kill", "0") != "0"


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
