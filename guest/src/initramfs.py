#!/usr/bin/env python3
"""Write the initramfs: a console and one program, in the kernel's cpio format ("newc").

The same program gives the same bytes, and neither root nor mknod is needed.

    initramfs.py INIT OUTPUT
"""

import stat
import sys
from pathlib import Path


def entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One member, owned by root, of the year 1970. The inode number only needs to differ for hard links."""
    numbers = [0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return padded(head) + padded(data)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def main() -> None:
    init, output = sys.argv[1:]
    Path(output).write_bytes(
        entry("dev", stat.S_IFDIR | 0o755)
        # The kernel opens it as init's standard streams.
        + entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        + entry("root", stat.S_IFDIR | 0o755)
        + entry("init", stat.S_IFREG | 0o755, Path(init).read_bytes())
        + entry("TRAILER!!!", 0)
    )


if __name__ == "__main__":
    main()
