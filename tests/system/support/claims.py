"""A number that no other test run on this host has: names, subnets and id ranges are derived from it."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

_NUMBERS = range(1, 128)


@dataclass(frozen=True)
class Claim:
    number: int
    holder: socket.socket
    """Bound to an abstract address, which the kernel gives to one process at a time and frees when that ends."""

    def release(self) -> None:
        self.holder.close()


def claim() -> Claim:
    for number in _NUMBERS:
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0gaoler-tests-{number}")
            return Claim(number, holder)
        except OSError as error:
            holder.close()
            if error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("all numbers are taken: are 127 test runs going on?")
