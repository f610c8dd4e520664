"""Small programs for the kernel's own machine (eBPF), written down as instructions: no compiler, no library, no object file.

`Program` puts instructions together and resolves labels; `load` has the kernel verify and keep it. Encoding and helpers are those
of linux/bpf.h and of Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import ctypes
import os
import struct

from gaoler.host import libc

_MAP_CREATE, _MAP_UPDATE, _MAP_DELETE, _PROG_LOAD = 0, 2, 3, 5
_HASH, _HASH_OF_MAPS, _SCHED_CLS = 1, 13, 3
_NO_PREALLOC = 1
_INSTRUCTION = struct.Struct("<BBhi")
_LOG = 1 << 16

#: Helpers of the kernel's.
MAP_LOOKUP, MAP_UPDATE, STORE_BYTES, REPLACE_CHECKSUM, LOAD_BYTES, CHANGE_TAIL = 1, 2, 9, 11, 26, 38

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP = range(11)
_WIDTHS = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}


class Program:
    """Instructions in their order. A jump names a label, which `label` sets, before or behind it."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, int, str | int, int]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def _add(self, code: int, to: int = 0, of: int = 0, offset: str | int = 0, value: int = 0) -> None:
        self._lines.append((code, to, of, offset, value))

    def set(self, to: int, value: int) -> None:
        self._add(0xB7, to, value=value)

    def copy(self, to: int, of: int) -> None:
        self._add(0xBF, to, of)

    def add(self, to: int, value: int) -> None:
        self._add(0x07, to, value=value)

    def add_register(self, to: int, of: int) -> None:
        self._add(0x0F, to, of)

    def mask(self, to: int, value: int) -> None:
        self._add(0x57, to, value=value)

    def exclusive_or(self, to: int, of: int) -> None:
        self._add(0xAF, to, of)

    def big_endian(self, to: int, bits: int) -> None:
        """Of a number that was read from a frame, or the other way."""
        self._add(0xDC, to, value=bits)

    def load(self, to: int, width: int, of: int, offset: int) -> None:
        self._add(0x61 | _WIDTHS[width], to, of, offset)

    def store(self, width: int, to: int, offset: int, value: int) -> None:
        self._add(0x62 | _WIDTHS[width], to, 0, offset, value)

    def store_register(self, width: int, to: int, offset: int, of: int) -> None:
        self._add(0x63 | _WIDTHS[width], to, of, offset)

    def map(self, to: int, descriptor: int) -> None:
        self._add(0x18, to, 1, value=descriptor)
        self._add(0)

    def call(self, helper: int) -> None:
        self._add(0x85, value=helper)

    def jump(self, label: str) -> None:
        self._add(0x05, offset=label)

    def jump_if(self, of: int, value: int, label: str) -> None:
        """Of the lower 32 bits."""
        self._add(0x16, of, offset=label, value=value)

    def jump_unless(self, of: int, value: int, label: str) -> None:
        """Of the lower 32 bits."""
        self._add(0x56, of, offset=label, value=value)

    def jump_unless_same(self, of: int, other: int, label: str) -> None:
        """Of the lower 32 bits of two registers."""
        self._add(0x5E, of, other, label)

    def jump_if_null(self, of: int, label: str) -> None:
        """Of what a helper has found. The verifier takes it for something from there on."""
        self._add(0x15, of, offset=label)

    def jump_above(self, of: int, value: int, label: str) -> None:
        self._add(0x25, of, offset=label, value=value)

    def leave(self) -> None:
        self._add(0x95)

    def assembled(self) -> bytes:
        lines = []
        for at, (code, to, of, offset, value) in enumerate(self._lines):
            distance = self._labels[offset] - at - 1 if isinstance(offset, str) else offset
            signed = value - (1 << 32) if value >= 1 << 31 else value
            lines.append(_INSTRUCTION.pack(code, of << 4 | to, distance, signed))
        return b"".join(lines)


def hash_map(key: int, value: int, entries: int) -> int:
    """A descriptor of a map that holds so many entries and not one more; sizes in bytes. Raises OSError."""
    return libc.bpf(_MAP_CREATE, struct.pack("=5I", _HASH, key, value, entries, 0))


def map_of_maps(entries: int, inner: int) -> int:
    """A descriptor of a map from numbers to maps that are like `inner`. Raises OSError."""
    return libc.bpf(_MAP_CREATE, struct.pack("=6I", _HASH_OF_MAPS, 4, 4, entries, _NO_PREALLOC, inner))


def put(into: int, number: int, inner: int) -> None:
    """Into a map of maps, in place of what was there. Raises OSError."""
    key, value = ctypes.c_uint32(number), ctypes.c_uint32(inner)
    libc.bpf(_MAP_UPDATE, struct.pack("=2I3Q", into, 0, ctypes.addressof(key), ctypes.addressof(value), 0))


def take(out_of: int, number: int) -> None:
    """Out of a map. Raises OSError, FileNotFoundError where it is not there."""
    key = ctypes.c_uint32(number)
    libc.bpf(_MAP_DELETE, struct.pack("=2IQ", out_of, 0, ctypes.addressof(key)))


def load(program: bytes, name: str) -> int:
    """A descriptor of a classifier that the kernel has verified. Raises OSError, with what the verifier says at its end."""
    text = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(_LOG)

    def attributes(level: int) -> bytes:
        place = ctypes.addressof(log) if level else 0
        return struct.pack(
            "=2I2Q2IQ2I16s",
            _SCHED_CLS, len(program) // _INSTRUCTION.size, ctypes.addressof(text), ctypes.addressof(licence),
            level, _LOG if level else 0, place, 0, 0, name.encode()[:15],
        )  # fmt: skip

    try:
        return libc.bpf(_PROG_LOAD, attributes(0))
    except OSError as error:
        try:
            return libc.bpf(_PROG_LOAD, attributes(1))
        except OSError:
            said = log.value.decode(errors="replace").strip().splitlines()[-3:]
            raise OSError(error.errno, "; ".join([os.strerror(error.errno or 0), *said])) from None
