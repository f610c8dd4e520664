"""stress.py SEED COUNT DIRECTORY: random changes by several processes at once, then: is what is cached true?

Prints nothing when what the machine knew of the tree is what it finds after forgetting everything, else the difference.
"""

import os
import random
import sys

NAMES = [f"{a}{b}" for a in ("", "x/", "y/", "x/z/") for b in "pqrst"] + ["x", "y", "x/z"]


def change(rng: random.Random, root: str) -> None:
    one, other = (f"{root}/{rng.choice(NAMES)}" for _ in range(2))
    what = rng.randrange(12)
    if what < 3:
        with open(one, "ab" if what else "wb") as file:
            file.write(b"." * rng.randrange(9000))
    elif what == 3:
        os.unlink(one)
    elif what < 6:
        os.rename(one, other)
    elif what == 6:
        os.link(one, other)
    elif what == 7:
        os.mkdir(one)
    elif what == 8:
        os.rmdir(one)
    elif what == 9:
        os.chmod(one, rng.choice([0o600, 0o755]))
    elif what == 10:
        os.truncate(one, rng.randrange(9000))
    else:
        with open(one, "rb") as file:
            file.read()


def tree(root: str) -> dict[str, object]:
    seen: dict[str, object] = {}
    for directory, dirs, files in os.walk(root):
        for name in [*dirs, *files]:
            path = f"{directory}/{name}"
            status = os.lstat(path)
            content = b""
            if name in files:
                with open(path, "rb") as file:
                    content = file.read()
            seen[path] = (
                status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns,
                status.st_ctime_ns, status.st_blocks if name in files else 0, hash(content),
            )  # fmt: skip
    return seen


def main() -> int:
    seed, count, root = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    children = []
    for process in range(6):
        pid = os.fork()
        if not pid:
            rng = random.Random(seed * 100 + process)
            for _ in range(count):
                try:
                    change(rng, root)
                except OSError:
                    pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    os.sync()  # the host allocates late: until then st_blocks may change by itself
    tree(root)  # and reading changes nothing that is compared
    known = tree(root)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    found = tree(root)
    for path in sorted(known.keys() | found.keys()):
        if known.get(path) != found.get(path):
            print(f"{path}: known as {known.get(path)}, found as {found.get(path)}")
    return known != found


if __name__ == "__main__":
    sys.exit(main())
