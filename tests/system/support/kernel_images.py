"""Bare kernels whose images are taken, and that go on from them."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gaoler.host import image
from system.support.kernel_machine import Machine, kernel_pid

LISTENER = 3
_CONSOLE = "run/machine/mconsole"
_REQUEST = struct.Struct("=3I512s")


@dataclass(frozen=True)
class Stored:
    """Files of an image; `stood` is how many seconds the machine stood still for it."""

    memory: Path
    state: Path
    stood: float
    size: int


class Images:
    """Machines in a PID, mount and network namespace of their own, with /run to themselves as in a jail."""

    def __init__(self, kernel: str, initramfs: Path, directory: Path) -> None:
        self.kernel, self.initramfs, self.directory = kernel, initramfs, directory
        self.machines: list[Machine] = []
        self._number = 0

    def _start(self, words: list[str], given: dict[int, int]) -> Machine:
        self._number += 1
        address = f"{self.directory}/{self._number}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen(16)
        given = {**given, LISTENER: listener.fileno()}
        # Numbers are part of an image: put them there in a shell's stead.
        moves = "; ".join(f"exec {number}<&{fd}" for number, fd in given.items() if number < 10)
        high = [fd for number, fd in given.items() if number >= 10]
        moves += "".join(f" {fd}<&-" for number, fd in given.items() if number < 10 and fd != number)
        script = f'mount -t tmpfs none /run && {moves}; exec {self.kernel} "$@"'
        command = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "bash", "-c", script, "bash", *words]
        machine = Machine(command, (listener.fileno(), *high), address)
        listener.close()
        self.machines.append(machine)
        return machine

    def boot(self, *words: str) -> Machine:
        machine = self._start(
            ["mem=128M", f"initrd={self.initramfs}", "con=null", "con0=null,fd:1", "noreboot", "panic=-1", "seccomp=on",
             "uml_dir=/run/", "umid=machine", f"hostsock={LISTENER}", *words], {},
        )  # fmt: skip
        machine.wait_for("serving\n")
        return machine

    def take(self, machine: Machine) -> Stored:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            word = b"image"
            place = f"/proc/{kernel_pid(machine)}/root/{_CONSOLE}"
            sender.connect(place)
            socket.send_fds(sender, [_REQUEST.pack(0xCAFEBABE, 2, len(word), word)], [theirs.fileno()])
            theirs.close()
            self._number += 1
            memory, state = (Path(f"{self.directory}/{self._number}.{part}") for part in ("memory", "state"))
            with image.standing_still(ours) as found:
                began = time.monotonic()
                size = 0
                for source, target in ((found.memory, memory), (found.state, state)):
                    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                    size += image.copy(source, fd, 1 << 30)
                    os.close(fd)
                stood = time.monotonic() - began
        return Stored(memory, state, stood, size)

    def restore(self, stored: Stored) -> Machine:
        fds = [_opened(path) for path in (stored.memory, stored.state)]
        try:
            return self._start([f"restore={fds[0]},{fds[1]}"], {10 + i: fd for i, fd in enumerate(fds)})
        finally:
            for fd in fds:
                os.close(fd)

    @staticmethod
    def ask(machine: Machine) -> dict[str, str]:
        """What the program inside found so far."""
        with machine.connect("c") as stream:
            return dict(word.split("=", 1) for word in stream.makefile().read().split())


def _opened(path: Path) -> int:
    """Above the numbers that a kernel finds its own things under."""
    fd = os.open(path, os.O_RDONLY)
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 50)
    os.close(fd)
    return high


@contextmanager
def images(kernel: str, initramfs: Path) -> Iterator[Images]:
    with tempfile.TemporaryDirectory(prefix="gaoler-images-", dir="/dev/shm") as directory:
        found = Images(kernel, initramfs, Path(directory))
        try:
            yield found
        finally:
            for machine in found.machines:
                machine.kill()
