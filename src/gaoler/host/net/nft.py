"""nftables without a process for each change: libnftables, which the nft command itself is made of."""

from __future__ import annotations

import ctypes
import errno
import json
import socket
import struct
import threading
from functools import cache
from typing import Any

from gaoler.errors import Failed

_LIBRARY = "libnftables.so.1"
_OUTPUT_JSON = 1 << 4  # NFT_CTX_OUTPUT_JSON of nftables/libnftables.h

# linux/netlink.h, linux/netfilter/nfnetlink.h, nf_tables.h
_NETLINK_NETFILTER, _SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES = 12, 270, 1, 7
_DELETED_TABLE = 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE
_HEADER = struct.Struct("=IHHII")

_lock = threading.Lock()  # a context is for one thread at a time


def transact(commands: str, what: str) -> None:
    """Run nft commands, all or none. Raises Failed: `what`, and nft's own first message."""
    _run(commands, what)


def listed(command: str, what: str) -> list[dict[str, Any]]:
    """The objects that a `list` command shows, as nft's JSON has them (libnftables-json(5))."""
    shown: list[dict[str, Any]] = json.loads(_run(command, what))["nftables"]
    return shown


def watch() -> socket.socket:
    """A socket that is readable when somebody has changed rules; to be read with `deleted`."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    sock.bind((0, 0))
    sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
    return sock


def deleted(watched: socket.socket, table: str) -> bool:
    """Read what has come, and say whether a table of that name was, or may have been, deleted."""
    found = False
    while True:
        try:
            data = watched.recv(1 << 16)
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            found = True  # more came than there was room for
            continue
        while len(data) >= _HEADER.size:
            size, kind, *_ = _HEADER.unpack_from(data)
            # Its first attribute is the name (NFTA_TABLE_NAME), after a header of 4 bytes.
            found = found or (kind == _DELETED_TABLE and table.encode() + b"\0" in data[:size])
            data = data[max(_HEADER.size, (size + 3) & ~3) :]


def _run(commands: str, what: str) -> bytes:
    library, context = _context()
    with _lock:
        code = library.nft_run_cmd_from_buffer(context, commands.encode())
        output: bytes = library.nft_ctx_get_output_buffer(context) or b""
        errors: bytes = library.nft_ctx_get_error_buffer(context) or b""
    if code != 0:
        message = errors.decode(errors="replace").strip().splitlines()
        why = message[0].removeprefix("internal:0:0-0: ").removeprefix("Error: ") if message else f"nft says {code}"
        raise Failed(what, why, _hint(why))
    return output


def _hint(why: str) -> str:
    """Families and expressions that a kernel lacks show as one of these."""
    lacking = ("not supported", "Protocol not supported", "cache initialization failed")
    return "this kernel needs CONFIG_NF_TABLES_BRIDGE: modprobe nf_tables" if any(s in why for s in lacking) else ""


@cache
def _context() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Failed("can't guard machines' ports", f"{_LIBRARY} is missing", "apt install nftables") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    if context.value is None:
        raise Failed("can't guard machines' ports", "no memory for nftables", "free -m")
    library.nft_ctx_buffer_output(context)
    library.nft_ctx_buffer_error(context)
    library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
    return library, context
