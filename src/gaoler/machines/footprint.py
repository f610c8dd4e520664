"""What a machine may take of the host's memory, in all: one number that is told, known before a start, and held (pure)."""

from __future__ import annotations

OWN = 48 << 20
"""Bytes beside a machine's memory, whatever its size: the kernel's program and heap (6 MB), what its descriptors of files keep
(at most 16,384 unused ones, 1.5 KiB each), stubs that wait (0.7 MB), and room for the host's own caching of its files."""
_PAGE_TABLES = 512
"""A page table's entry is 8 bytes for each 4096: what mapping all of its memory takes in the kernel's own process."""
_CACHING = 256
"""One byte of so many, on top: a machine with more memory has more files open, and more in flight."""


def host_memory(memory: int) -> int:
    """Bytes that the control group of a machine with `memory` bytes may hold.

    What grows with what is done inside (processes, their page tables and mappings) is not in it: the machine's kernel sets as
    much of its own memory aside, and gives that back to the host (kernel/patches/README.md, 0150).
    """
    return memory + OWN + memory // _PAGE_TABLES + memory // _CACHING
