"""fsx.py SEED COUNT DIRECTORY: random changes of large files by several processes at once, each of which knows its own.

What is read must be what was written, from the cache and, when that has been dropped in between, from the host. Prints
`FILE SHA256` of what each file holds in the end, for a look from the host; exits 1 at the first difference.
"""

import ctypes
import hashlib
import mmap
import os
import random
import sys

PROCESSES = 3
SIZE = 2 << 20
LARGEST = 400_000  # several pieces of what one host call moves
KEEP_SIZE_AND_PUNCH_HOLE = 3
fallocate = ctypes.CDLL(None, use_errno=True).fallocate


class File:
    def __init__(self, path: str, rng: random.Random) -> None:
        self.path = path
        self.rng = rng
        self.holds = bytearray()
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def piece(self) -> tuple[int, int]:
        """A position and a length in the file."""
        pos = self.rng.randrange(len(self.holds) or 1)
        return pos, min(self.rng.randrange(LARGEST), len(self.holds) - pos)

    def put(self, pos: int, data: bytes) -> None:
        self.holds.extend(bytes(max(0, pos - len(self.holds))))
        self.holds[pos : pos + len(data)] = data

    def write(self) -> None:
        pos, data = self.rng.randrange(SIZE), self.rng.randbytes(self.rng.randrange(LARGEST))
        assert os.pwrite(self.fd, data, pos) == len(data)
        self.put(pos, data)

    def store(self) -> None:
        """By a mapping, and leave it to the kernel when that gets to the host."""
        pos, length = self.piece()
        if length:
            data = self.rng.randbytes(length)
            with mmap.mmap(self.fd, len(self.holds)) as mapped:
                mapped[pos : pos + length] = data
            self.put(pos, data)

    def truncate(self) -> None:
        size = self.rng.randrange(SIZE)
        os.ftruncate(self.fd, size)
        self.put(size, b"")
        del self.holds[size:]

    def shorten(self) -> None:
        """While pages are on their way to the host, as they are after the file is closed."""
        self.store()
        os.close(self.fd)
        size = self.rng.randrange(len(self.holds) or 1)
        os.truncate(self.path, size)
        self.put(size, b"")
        del self.holds[size:]
        self.forget()
        assert os.stat(self.path).st_size == size, self.path
        self.fd = os.open(self.path, os.O_RDWR)

    def punch(self) -> None:
        pos, length = self.piece()
        if length:
            failed = fallocate(self.fd, KEEP_SIZE_AND_PUNCH_HOLE, ctypes.c_long(pos), ctypes.c_long(length))
            assert not failed, os.strerror(ctypes.get_errno())
            self.put(pos, bytes(length))

    def sync(self) -> None:
        os.fsync(self.fd)

    def reopen(self) -> None:
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def forget(self) -> None:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")

    def check(self) -> None:
        pos, length = self.piece()
        assert os.pread(self.fd, length, pos) == self.holds[pos : pos + length], f"{self.path}: {length} bytes at {pos}"
        assert os.fstat(self.fd).st_size == len(self.holds), self.path


def run(path: str, rng: random.Random, count: int) -> None:
    file = File(path, rng)
    often = [file.write, file.store, file.check, file.check]
    steps = [*often, *often, file.truncate, file.shorten, file.punch, file.sync, file.reopen, file.forget]
    for _ in range(count):
        rng.choice(steps)()
    assert os.pread(file.fd, 2 * SIZE, 0) == file.holds, path
    print(os.path.basename(path), hashlib.sha256(file.holds).hexdigest(), flush=True)


def main() -> int:
    seed, count, root = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    children = []
    for process in range(PROCESSES):
        pid = os.fork()
        if not pid:
            run(f"{root}/{process}", random.Random(seed * 100 + process), count)
            os._exit(0)
        children.append(pid)
    return max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)


if __name__ == "__main__":
    sys.exit(main())
