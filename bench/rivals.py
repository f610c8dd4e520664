"""Others that start a Linux in a copy-on-write tree: how they are called here, or why they can't be."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

import contest

_UNIFIED = Path("/sys/fs/cgroup/unified")
_CLONE_NEWNS, _MS_REC_SLAVE, _MNT_DETACH = 0x20000, 0x4000 | 0x80000, 2


def nspawn(tree: Path, *, bridge: str | None = None) -> list[str] | None:
    """systemd-nspawn of a snapshot that it makes, and deletes. Without systemd on the host it registers nothing."""
    if shutil.which("systemd-nspawn") is None:
        return None
    network = f"--network-bridge={bridge}" if bridge else "--private-network"
    words = ["--quiet", "--ephemeral", f"--directory={tree}", "--register=no", "--keep-unit", "--as-pid2", network]
    return ["systemd-nspawn", *words, "true"]


def podman(tree: Path, *, network: str, state: Path) -> list[str] | None:
    """Run of podman, of an overlay over the tree; its own state apart from the host's."""
    if shutil.which("podman") is None:
        return None
    settings = ["--cgroup-manager=cgroupfs", f"--root={state}/root", f"--runroot={state}/run"]
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]  # its own are more than some hosts allow
    return ["podman", *settings, "run", "--rm", f"--network={network}", *limits, "--rootfs", f"{tree}:O", "true"]


def without_unified(argv: list[str]) -> Callable[[], float]:
    """Like `timed`, for crun on hosts with control groups of both versions: it must not see the second (unified).

    A worker of ours measures, in a mount namespace where it is unmounted; entering one is no part of what is measured.
    """
    if not _UNIFIED.is_mount():
        return contest.timed(argv)
    ours, theirs = Pipe()
    Process(target=_worker, args=(argv, theirs), daemon=True).start()

    def once() -> float:
        ours.send(None)
        took, complaint = ours.recv()
        if complaint:
            contest.give_up(f"{argv[0]} fails", complaint)
        return float(took)

    return once


def _worker(argv: list[str], connection: Connection) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(_CLONE_NEWNS)
    libc.mount(None, b"/", None, _MS_REC_SLAVE, None)
    libc.umount2(os.fsencode(_UNIFIED), _MNT_DETACH)
    while True:
        connection.recv()
        started = time.perf_counter()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        took = (time.perf_counter() - started) * 1000
        connection.send((took, done.stderr.strip()[-500:] if done.returncode else ""))
