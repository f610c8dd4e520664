"""Messages from a machine are hostile input."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.errors import Failed
from gaoler.host import mconsole
from gaoler.host.mconsole import Notification, ctrl_alt_del, parse_notify
from gaoler.host.process import open_process

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


@pytest.fixture
def ourselves(tmp_path, monkeypatch):
    """This process as if it were a machine, its console's socket in a directory of the test's."""
    place = tmp_path / "mconsole"
    monkeypatch.setattr(mconsole, "SOCKET", str(place).lstrip("/"))
    return open_process(os.getpid()), place


def test_a_command_arrives(ourselves):
    process, place = ourselves
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as console:
        console.bind(str(place))
        ctrl_alt_del(process)
        magic, version, size, data = struct.unpack("=3I512s", console.recv(1000))
    assert (magic, version, data[:size]) == (MAGIC, 2, b"cad")


def test_a_machine_that_does_not_read_costs_no_time(ourselves):
    process, place = ourselves
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as console:
        console.bind(str(place))
        with pytest.raises(Failed, match="queue is full"):
            for _ in range(100_000):
                ctrl_alt_del(process)


@pytest.mark.parametrize("trap", ["link", "fifo", "file", "directory", "link on the way", "nothing"])
def test_what_lies_in_the_sockets_place_is_not_followed_or_opened(ourselves, tmp_path, trap, monkeypatch):
    process, place = ourselves
    elsewhere = tmp_path / "elsewhere"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(elsewhere))
        other.setblocking(False)
        match trap:
            case "link":
                place.symlink_to(elsewhere)
            case "fifo":
                os.mkfifo(place)
            case "file":
                place.touch()
            case "directory":
                place.mkdir()
            case "link on the way":
                (tmp_path / "way").symlink_to(tmp_path)
                monkeypatch.setattr(mconsole, "SOCKET", str(tmp_path / "way/elsewhere").lstrip("/"))
        with pytest.raises(Failed):
            ctrl_alt_del(process)
        with pytest.raises(BlockingIOError):
            other.recv(1)


def test_a_machine_that_is_gone(ourselves):
    process, _ = ourselves
    with pytest.raises(Failed, match="not running"):
        ctrl_alt_del(replace(process, start_time=1))
