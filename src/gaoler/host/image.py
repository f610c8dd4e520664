"""Images of running machines: what a machine's kernel hands out of itself, and files to restore it from.

The kernel (patch 0180) is asked through its management console, by a message that comes with a socket. It stands still from
when it has sent two descriptors on that socket, its memory and the state of its process, until it is answered or the socket is
closed: a daemon that is killed meanwhile leaves a machine that goes on.

What it hands out is as hostile as the machine: nothing is done with it but to copy what is there, up to a limit.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from gaoler.errors import Failed
from gaoler.host import mconsole
from gaoler.host.process import Process

PATIENCE = 20.0
"""Seconds in which a kernel has nothing under way that an image can't hold; its own is 100 attempts, each up to a second."""
STATE_LIMIT = 64 << 20
"""Bytes that a kernel's own process may take: it has 0.7 MB, and what its helper threads have left."""
_WORD = b"image"
_GO_ON = b"g"


@dataclass(frozen=True)
class Image:
    """Descriptors of what a machine that stands still has handed out."""

    memory: int
    state: int


@contextmanager
def of(process: Process) -> Iterator[Image]:
    """What the machine whose kernel is `process` hands out; it stands still meanwhile. Raises Failed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ExitStack() as undo:
        undo.enter_context(ours)
        with theirs:
            mconsole.send(process, "image", theirs.fileno())
        try:
            ended = process.pidfd()
        except ProcessLookupError:
            raise _refused("it has ended") from None
        undo.callback(os.close, ended)
        yield undo.enter_context(standing_still(ours, ended))


@contextmanager
def standing_still(control: socket.socket, ended: int | None = None) -> Iterator[Image]:
    """What the kernel at the other end of `control` hands out, which stands still meanwhile and goes on afterwards.

    `ended` is a pidfd of its process. Raises Failed where it hands out nothing.
    """
    with ExitStack() as ours:
        watched: list[int] = [control.fileno()] if ended is None else [control.fileno(), ended]
        if control.fileno() not in select.select(watched, [], [], PATIENCE)[0]:
            raise _refused("it does not answer, or has ended")
        said, descriptors, _, _ = socket.recv_fds(control, 16, 4)
        for descriptor in descriptors:
            ours.callback(os.close, descriptor)
        if not said:
            raise _refused("something is under way, or open, in it that can't be written down")
        if said != _WORD or len(descriptors) != 2:
            raise _refused("its kernel does not say what was asked for")
        if not all(stat.S_ISREG(os.fstat(descriptor).st_mode) for descriptor in descriptors):
            raise _refused("its kernel hands out something else than files")
        yield Image(*descriptors)
        with suppress(OSError):  # it has ended meanwhile, of itself or by us
            control.send(_GO_ON)


def copy(source: int, target: int, limit: int) -> int:
    """Copy a file with its holes; returns the bytes that were there. Raises Failed above `limit`, OSError."""
    size = os.fstat(source).st_size
    if size > limit:
        raise _refused(f"it would be {size} bytes, of {limit} that it can be at most")
    os.ftruncate(target, size)
    copied = at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole from here on
            break
        end = os.lseek(source, at, os.SEEK_HOLE)
        os.lseek(target, at, os.SEEK_SET)
        while at < end:
            n = os.sendfile(target, source, at, end - at)
            if n == 0:
                raise _refused("its kernel does not stand still")
            at += n
            copied += n
    return copied


def _refused(why: str) -> Failed:
    return Failed("the machine gives no image of itself", why, "gaol log tells what its kernel says")
