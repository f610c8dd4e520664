"""UML's management console: commands to a machine, and the messages that it sends of itself.

The formats are those of arch/um/drivers/mconsole.h. The machine may be hostile: its socket lies where it can put
anything, and its messages may hold anything.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from dataclasses import dataclass

from gaoler.errors import Failed
from gaoler.host import libc
from gaoler.host.process import Process

_MAGIC = 0xCAFEBABE
_VERSION = 2
_DATA_MAX = 512
_REQUEST = struct.Struct(f"=3I{_DATA_MAX}s")
_NOTIFICATION = struct.Struct("=4I")
_KINDS = ("socket", "panic", "hang", "user")  # MCONSOLE_SOCKET and so on

SOCKET = "run/machine/mconsole"  # in the jail: uml_dir=/run umid=machine


@dataclass(frozen=True)
class Notification:
    """`kind` is socket (the console is there), panic, hang or user (written to /proc/mconsole inside).

    `text` is what the machine chose to say: printable ASCII, at most 512 characters.
    """

    kind: str
    text: str


def parse_notify(datagram: bytes) -> Notification | None:
    """The message in a datagram, None where there is none in it."""
    if len(datagram) < _NOTIFICATION.size:
        return None
    magic, version, kind, size = _NOTIFICATION.unpack_from(datagram)
    if magic != _MAGIC or version != _VERSION or kind >= len(_KINDS):
        return None
    data = datagram[_NOTIFICATION.size :][: min(size, _DATA_MAX)].split(b"\0", 1)[0]
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data.strip())
    return Notification(_KINDS[kind], text)


def ctrl_alt_del(process: Process) -> None:
    """Ask a machine to stop: SIGINT to its first process."""
    send(process, "cad")


def send(process: Process, command: str, descriptor: int | None = None) -> None:
    """Send a command (UML's uml_mconsole(1) has them) to the machine whose kernel is `process`; no answer is awaited.

    `descriptor` goes with it, for a command that takes one (image).
    The answer would go to an address that the machine can't see: its network namespace and its root are its own.
    Raises Failed where the machine has no console or takes no commands.
    """
    data = command.encode()
    if len(data) >= _DATA_MAX:
        raise Failed("can't send that to a machine", f"a command has fewer than {_DATA_MAX} bytes", "gaol doctor")
    found = _socket_of(process)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender:
            sender.connect(f"/proc/self/fd/{found}")
            request = _REQUEST.pack(_MAGIC, _VERSION, len(data), data)
            socket.send_fds(sender, [request], [] if descriptor is None else [descriptor])
    except OSError as error:
        why = "its queue is full" if isinstance(error, BlockingIOError) else error.strerror or str(error)
        raise Failed("the machine takes no commands", why, "gaol ls") from error
    finally:
        os.close(found)


def _socket_of(process: Process) -> int:
    """A path descriptor of the console's socket, reached below the machine's root without following anything."""
    walk = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_SYMLINKS | libc.RESOLVE_NO_MAGICLINKS
    try:
        root = os.open(f"/proc/{process.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed("the machine takes no commands", "it is not running", "gaol ls") from error
    try:
        if not process.alive():  # the number may have been somebody else's when we opened its root
            raise Failed("the machine takes no commands", "it is not running", "gaol ls")
        found = libc.openat2(root, SOCKET, os.O_PATH | os.O_NOFOLLOW, walk)
    except OSError as error:
        raise Failed("the machine takes no commands", "it has no management console (yet)", "gaol ls") from error
    finally:
        os.close(root)
    if not stat.S_ISSOCK(os.fstat(found).st_mode):
        os.close(found)
        raise Failed("the machine takes no commands", "its management console was replaced by something else", "gaol ls")
    return found
