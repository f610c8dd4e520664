"""A disk whose faults a test decides: I/O errors, a full medium, and a power cut that loses what was never flushed.

It is a file system of one file (FUSE, spoken without a library), for a loop device to be made of: that needs no device
mapper, which small kernels lack. Served by a process of its own, so that a test may wait for the disk.
"""

from __future__ import annotations

import errno
import json
import os
import random
import select
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gaoler.host import btrfs, libc, loop
from system.support.waiting import PATIENCE

_IN, _OUT = struct.Struct("=IIQQIIIHH"), struct.Struct("=IiQ")  # linux/fuse.h: fuse_in_header, fuse_out_header
_TRANSFER = struct.Struct("=QQI20x")  # fuse_read_in, fuse_write_in: handle, offset, size
_ATTRIBUTES = struct.Struct("=Q8xQQQ24x12xIIIIIII")  # fuse_attr_out, as far as we fill it
_LARGEST = 1 << 20
"""Bytes of one write."""
_SECTOR = 4096
"""What a disk writes whole or not at all; btrfs' own unit."""


class _File:
    """The file below, what has been written since the last flush, and what fails."""

    def __init__(self, path: str, control: socket.socket) -> None:
        self._control = control
        self._failing = 0
        self._cut: tuple[str, int, int] | None = None
        """To which copy, with which seed, after how many more writes."""
        self._load(path)

    def _load(self, path: str) -> None:
        self.path, self.descriptor = path, os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._unflushed: list[tuple[int, bytes, bytes]] = []
        """Offset, what was there, what is there now: by sectors, oldest first."""

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.descriptor, size, offset)

    def write(self, offset: int, data: bytes) -> None:
        self._work()
        before = os.pread(self.descriptor, len(data), offset).ljust(len(data), b"\0")
        for start in range(0, len(data), _SECTOR):
            piece = slice(start, start + _SECTOR)
            self._unflushed.append((offset + start, before[piece], data[piece]))
        os.pwrite(self.descriptor, data, offset)
        if self._cut:
            copy, seed, left = self._cut
            self._cut = (copy, seed, left - 1) if left else None
            if not left:
                self._tell(self._medium(copy, seed))

    def flush(self) -> None:
        self._work()
        self._unflushed.clear()

    def _work(self) -> None:
        if self._failing:
            raise OSError(self._failing, "as the test wants it")

    def _medium(self, copy: str, seed: int) -> int:
        """Copy what it holds if the power fails now: what was flushed, and by chance some of the rest."""
        subprocess.run(["cp", "--sparse=always", self.path, copy], check=True)
        chance = random.Random(seed)
        with open(copy, "r+b") as file:
            for offset, before, _ in reversed(self._unflushed):
                file.seek(offset)
                file.write(before)
            for offset, _, after in self._unflushed:
                if chance.random() < 0.5:
                    file.seek(offset)
                    file.write(after)
        return len(self._unflushed)

    def obey(self, command: dict[str, Any]) -> None:
        match command:
            case {"fail": number}:
                self._failing = number
            case {"load": path}:
                os.close(self.descriptor)
                self._load(path)
            case {"cut": copy, "seed": seed, "writes": writes}:
                self._cut = copy, seed, writes
                return  # told when it has happened
        self._tell(0)

    def _tell(self, answer: int) -> None:
        self._control.send(str(answer).encode())


def _answer(file: _File, operation: int, body: bytes) -> bytes | None:
    """The answer to a request of the kernel; None where it wants none. Raises OSError for a refusal."""
    match operation:
        case 26:  # INIT: protocol 7.31, big writes, as many pages as a write has
            large, pages = 1 << 5, 1 << 22
            return struct.pack("=IIIIHHIIHH32x", 7, 31, _LARGEST, large | pages, 16, 12, _LARGEST, 1, _LARGEST >> 12, 0)
        case 3 | 4:  # GETATTR, SETATTR
            found = os.fstat(file.descriptor)
            return _ATTRIBUTES.pack(3600, 1, found.st_size, found.st_blocks, stat.S_IFREG | 0o600, 1, 0, 0, 0, _SECTOR, 0)
        case 14:  # OPEN
            return struct.pack("=QIi", 0, 0, 0)
        case 15:  # READ
            _, offset, size = _TRANSFER.unpack_from(body)
            return file.read(offset, size)
        case 16:  # WRITE
            _, offset, size = _TRANSFER.unpack_from(body)
            file.write(offset, body[_TRANSFER.size :][:size])
            return struct.pack("=II", size, 0)
        case 20:  # FSYNC: the loop device's flush
            file.flush()
            return b""
        case 17:  # STATFS
            return struct.pack("=5Q4I24x", 0, 0, 0, 1, 0, _SECTOR, 255, _SECTOR, 0)
        case 18 | 25 | 34:  # RELEASE, FLUSH, ACCESS
            return b""
        case 2 | 36 | 42:  # FORGET, INTERRUPT, BATCH_FORGET
            return None
    raise OSError(errno.ENOSYS, "not of use to a disk")


def _serve(kernel: int, control: socket.socket, path: str) -> None:
    file = _File(path, control)
    while True:
        for ready in select.select([kernel, control], [], [])[0]:
            if ready is control:
                command = control.recv(4096)
                if not command:
                    return
                file.obey(json.loads(command))
                continue
            try:
                request = os.read(kernel, _LARGEST + 8192)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return
                raise
            _, operation, unique, *_ = _IN.unpack_from(request)
            try:
                answer, code = _answer(file, operation, request[_IN.size :]), 0
            except OSError as error:
                answer, code = b"", error.errno or errno.EIO
            if answer is not None:
                os.write(kernel, _OUT.pack(_OUT.size + len(answer), -code, unique) + answer)


class Disk:
    """`path` is the file that the disk is; `below` where its content is kept."""

    def __init__(self, path: Path, below: Path) -> None:
        self.path, self.below = path, below
        path.touch()
        kernel = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        ours.settimeout(3 * PATIENCE)
        with theirs:
            libc.mount("disk", path, "fuse", 0, f"fd={kernel},rootmode=100600,user_id=0,group_id=0")
            self.process = subprocess.Popen(
                [sys.executable, "-m", "system.support.disk", str(kernel), str(theirs.fileno()), str(below)],
                pass_fds=(kernel, theirs.fileno()), stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip
        os.close(kernel)

    def fail(self, number: int) -> None:
        """Refuse all writes and flushes with that errno from now on; 0 mends the disk."""
        self._ask(fail=number)

    def cut(self, copy: Path, seed: int, writes: int) -> int:
        """Wait for so many more writes, and copy what the medium would hold if the power failed then.

        That is all that was flushed, and by chance (of `seed`) some of the rest, by sectors. Returns how many sectors
        were on their way.
        """
        return self._ask(cut=str(copy), seed=seed, writes=writes)

    def load(self, path: Path) -> None:
        """Hold another content from now on; to be asked while nobody has it open."""
        self._ask(load=str(path))

    def _ask(self, **command: Any) -> int:
        self._control.send(json.dumps(command).encode())
        return int(self._control.recv(64))

    def close(self) -> None:
        """Nothing may use it any more."""
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self._control.close()
        self.process.wait(PATIENCE)


@contextmanager
def disk(path: Path, below: Path, size: int) -> Iterator[Disk]:
    """With an empty btrfs on it; a loop device of it is detached at the end."""
    with below.open("xb") as file:
        file.truncate(size)
    btrfs.make_filesystem(below)
    made = Disk(path, below)
    try:
        yield made
    finally:
        for device in loop.devices_of(path):
            loop.detach_loop(device)
        made.close()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
