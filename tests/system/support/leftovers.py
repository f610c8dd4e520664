"""Where a gateway of the tests keeps things, and clearing up after a test run that was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from system.support.waiting import until


def runtime(prefix: str) -> Path:
    return Path(f"/run/gaoler-tests-{prefix}")


def directory(prefix: str) -> Path:
    return Path(f"/var/tmp/gaoler-tests-{prefix}")


def clear(prefix: str) -> None:
    """Whoever has claimed the prefix may: nobody else uses these names."""
    end(prefix)
    shutil.rmtree(directory(prefix), ignore_errors=True)


def end(prefix: str) -> None:
    """Take away all but the files on disk, as a power cut does."""
    until(lambda: _all_killed(prefix), f"the processes of a former {prefix} have ended")
    for group in (*groups(prefix), *parents(prefix)):
        until(lambda group=group: _removed(group), f"{group} is empty")
    for link in Path("/sys/class/net").glob(f"{prefix}*"):
        subprocess.run(["ip", "link", "delete", link.name], capture_output=True, check=False)
    for link in (f"{prefix}br", f"{prefix}0"):  # as gateways of the tests call their bridges
        subprocess.run(
            ["nft", "delete", "element", "inet", "gaoler_host", "bridges", f'{{ "{link}" }}'], capture_output=True, check=False
        )
    for table in (f"bridge {prefix}_guard", f"inet {prefix}_nat"):
        subprocess.run(["nft", "delete", "table", *table.split()], capture_output=True, check=False)
    unmount(directory(prefix))
    shutil.rmtree(runtime(prefix), ignore_errors=True)


def unmount(below: Path) -> None:
    """The store, and its loop device."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        point = line.split()[4]
        if point.startswith(f"{below}/"):
            subprocess.run(["umount", point], check=True)
    listed = subprocess.run(["losetup", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(f"{below}/"):
            subprocess.run(["losetup", "--detach", device], capture_output=True, check=False)


def _all_killed(prefix: str) -> bool:
    """Again and again, since one that is about to be killed may have started another."""
    found = _processes(prefix)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not found


def _processes(prefix: str) -> list[int]:
    """The daemon, its dnsmasq, and whatever is in machines' control groups."""
    found = [int(pid) for group in groups(prefix) for pid in (group / "cgroup.procs").read_text().split()]
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if f"gaoler-tests-{prefix}/".encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def groups(prefix: str) -> list[Path]:
    """The control groups of machines, and then those of their owners, in all hierarchies."""
    root = Path("/sys/fs/cgroup")
    places = [place for parent in (f"gaoler-{prefix}", "gaoler") for place in (parent, f"*/{parent}")]
    return [
        group
        for below in (f"{prefix}.*/{prefix}-*", f"{prefix}.*")
        for place in places
        for group in root.glob(f"{place}/{below}")
    ]


def parents(prefix: str) -> list[Path]:
    """The control groups of all of them, which stay for as long as there is a gateway."""
    root = Path("/sys/fs/cgroup")
    return [*root.glob(f"gaoler-{prefix}"), *root.glob(f"*/gaoler-{prefix}")]


def ceilings(prefix: str) -> list[Path]:
    """Where the kernel keeps how many processes all of them together may have."""
    return [file for parent in parents(prefix) if (file := parent / "pids.max").exists()]


def _removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()
