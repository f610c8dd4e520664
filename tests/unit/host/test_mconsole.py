"""Messages from a machine are hostile input."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.host.mconsole import Notification, parse_notify

MAGIC = 0xCAFEBABE


def datagram(text: bytes, kind: int = 3, magic: int = MAGIC, version: int = 2, size: int | None = None) -> bytes:
    """As arch/um/drivers/mconsole_kern.c sends it: always the whole structure."""
    return struct.pack("=4I512s", magic, version, kind, len(text) if size is None else size, text)


def test_a_milestone():
    assert parse_notify(datagram(b"gaol address 10.1.2.3\n")) == Notification("user", "gaol address 10.1.2.3")


@pytest.mark.parametrize(("number", "kind"), list(enumerate(["socket", "panic", "hang", "user"])))
def test_kinds(number, kind):
    assert parse_notify(datagram(b"x", kind=number)).kind == kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        datagram(b"x", magic=1),
        datagram(b"x", version=3),
        datagram(b"x", kind=4),
        datagram(b"x", kind=2**32 - 1),
    ],
)
def test_what_is_no_message_is_none(data):
    assert parse_notify(data) is None


def test_lengths_are_not_believed():
    assert parse_notify(datagram(b"abc", size=2**32 - 1)).text == "abc"
    assert len(parse_notify(datagram(b"a" * 512, size=9999) + b"b" * 9999).text) == 512


@given(st.binary(max_size=700))
def test_whatever_comes_the_text_is_short_and_printable(noise):
    for data in (noise, datagram(noise[:512])):
        found = parse_notify(data)
        if found:
            assert len(found.text) <= 512
            assert found.text.isascii()
            assert found.text.isprintable()
