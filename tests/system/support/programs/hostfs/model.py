"""model.py SEED COUNT DIRECTORY MODEL: random operations on both, and whether they still agree.

MODEL is a directory on a file system trusted to be right (tmpfs). Runs inside a machine. The first difference is
printed with the operations that led to it, and the exit code is 1.
"""

import errno
import mmap
import os
import random
import stat
import sys

NAMES = ["a", "b", "c", "d1", "d2", "d1/a", "d1/b", "d2/c", "d1/d3", "d1/d3/x"]
SIZE = 40_000


class Side:
    """One directory, and the files that are held open in it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.open: dict[int, int] = {}

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def apply(self, op: str, *args: object) -> object:
        try:
            return getattr(self, op)(*args)
        except OSError as error:
            return errno.errorcode[error.errno]

    def opened(self, slot: int, name: str, flags: int) -> object:
        if slot in self.open:
            os.close(self.open.pop(slot))
        self.open[slot] = os.open(self.path(name), flags, 0o644)
        return None

    def write(self, slot: int, pos: int, data: bytes) -> object:
        return os.pwrite(self.open[slot], data, pos) if slot in self.open else None

    def append(self, name: str, data: bytes) -> object:
        fd = os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        try:
            return os.write(fd, data)
        finally:
            os.close(fd)

    def read(self, slot: int, pos: int, length: int) -> object:
        return os.pread(self.open[slot], length, pos) if slot in self.open else None

    def store(self, slot: int, pos: int, data: bytes) -> object:
        if slot not in self.open:
            return None
        size = os.fstat(self.open[slot]).st_size
        if pos + len(data) > size:
            return None
        with mmap.mmap(self.open[slot], size) as shared:
            shared[pos : pos + len(data)] = data
        return None

    def load(self, slot: int) -> object:
        if slot not in self.open or not (size := os.fstat(self.open[slot]).st_size):
            return None
        with mmap.mmap(self.open[slot], size, prot=mmap.PROT_READ) as shared:
            return shared[:]

    def ftruncate(self, slot: int, size: int) -> object:
        return os.ftruncate(self.open[slot], size) if slot in self.open else None

    def fsync(self, slot: int) -> object:
        return os.fsync(self.open[slot]) if slot in self.open else None

    def fstat(self, slot: int) -> object:
        return summary(os.fstat(self.open[slot])) if slot in self.open else None

    def fchmod(self, slot: int, mode: int) -> object:
        return os.fchmod(self.open[slot], mode) if slot in self.open else None

    def truncate(self, name: str, size: int) -> object:
        return os.truncate(self.path(name), size)

    def mkdir(self, name: str) -> object:
        return os.mkdir(self.path(name))

    def rmdir(self, name: str) -> object:
        return os.rmdir(self.path(name))

    def unlink(self, name: str) -> object:
        return os.unlink(self.path(name))

    def rename(self, old: str, new: str) -> object:
        return os.rename(self.path(old), self.path(new))

    def link(self, old: str, new: str) -> object:
        return os.link(self.path(old), self.path(new), follow_symlinks=False)

    def symlink(self, target: str, name: str) -> object:
        return os.symlink(target, self.path(name))

    def chmod(self, name: str, mode: int) -> object:
        return os.chmod(self.path(name), mode)

    def chown(self, name: str, uid: int, gid: int) -> object:
        return os.lchown(self.path(name), uid, gid)

    def utime(self, name: str, time: int) -> object:
        os.utime(self.path(name), ns=(time, time), follow_symlinks=False)
        return os.lstat(self.path(name)).st_mtime_ns

    def mkfifo(self, name: str) -> object:
        return os.mkfifo(self.path(name))

    def forget(self) -> object:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")

    def tree(self) -> dict[str, object]:
        seen = {}
        for directory, dirs, files in os.walk(self.root):
            for name in dirs + files:
                path = f"{directory}/{name}"
                status = os.lstat(path)
                what: object = None
                if stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as file:
                        what = file.read()
                elif stat.S_ISLNK(status.st_mode):
                    what = os.readlink(path)
                seen[path.removeprefix(self.root)] = (summary(status), what)
        return seen


def summary(status: os.stat_result) -> tuple[int, ...]:
    is_dir = stat.S_ISDIR(status.st_mode)
    return (
        status.st_mode,
        0 if is_dir else status.st_nlink,
        0 if is_dir else status.st_size,
        status.st_uid,
        status.st_gid,
    )


def draw(rng: random.Random) -> tuple[object, ...]:
    """One operation: its name and arguments."""
    name, other, slot = rng.choice(NAMES), rng.choice(NAMES), rng.randrange(4)
    data = rng.randbytes(rng.choice([1, 7, 100, 4096, 5000, 13_000]))
    pos = rng.choice([0, rng.randrange(SIZE), 4096 * rng.randrange(9)])
    flags = rng.choice([0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_EXCL])
    return rng.choice(
        [
            ("opened", slot, name, os.O_RDWR | os.O_NONBLOCK | flags),
            ("opened", slot, name, os.O_RDWR | os.O_NONBLOCK | flags),
            ("write", slot, pos, data),
            ("write", slot, pos, data),
            ("write", slot, pos, data),
            ("append", name, data),
            ("read", slot, pos, 9000),
            ("read", slot, pos, 9000),
            ("store", slot, pos, data),
            ("store", slot, pos, data),
            ("load", slot),
            ("ftruncate", slot, rng.randrange(SIZE)),
            ("fsync", slot),
            ("fstat", slot),
            ("fchmod", slot, rng.choice([0o600, 0o4755, 0o2640])),
            ("truncate", name, rng.randrange(SIZE)),
            ("mkdir", name),
            ("mkdir", name),
            ("rmdir", name),
            ("unlink", name),
            ("rename", name, other),
            ("rename", name, other),
            ("link", name, other),
            ("symlink", other, name),
            ("chmod", name, rng.choice([0o755, 0o1777, 0o6711])),
            ("chown", name, rng.randrange(5), rng.randrange(5)),
            ("utime", name, rng.randrange(2**62)),
            ("mkfifo", name),
            ("forget",),
        ]
    )


def skipped(op: tuple[object, ...], side: Side) -> bool:
    """What would wait for another process (opening a FIFO to append)."""
    if op[0] not in ("append", "truncate", "opened"):
        return False
    name = str(op[2] if op[0] == "opened" else op[1])
    try:
        return not stat.S_ISREG(os.stat(side.path(name)).st_mode) and op[0] != "truncate"
    except OSError:
        return False


def main() -> int:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    under_test, model = Side(sys.argv[3]), Side(sys.argv[4])
    history = []
    for step in range(count):
        op = draw(rng)
        if skipped(op, model):
            continue
        history.append(op)
        got, expected = under_test.apply(*op), model.apply(*op)
        if got != expected:
            report(history, f"result {got!r:.200} is not {expected!r:.200}")
            return 1
        if step % 50 == 0 and (difference := compare(under_test.tree(), model.tree())):
            report(history, difference)
            return 1
    print(f"seed {seed}: {count} operations, no difference")
    return 0


def compare(got: dict[str, object], expected: dict[str, object]) -> str:
    for path in sorted(got.keys() | expected.keys()):
        if got.get(path) != expected.get(path):
            return f"{path}: {got.get(path)!r:.300} is not {expected.get(path)!r:.300}"
    return ""


def report(history: list[tuple[object, ...]], difference: str) -> None:
    for op in history[-60:]:
        print("  ", " ".join(f"{arg!r:.60}" for arg in op))
    print("DIFFERENCE:", difference)


if __name__ == "__main__":
    sys.exit(main())
