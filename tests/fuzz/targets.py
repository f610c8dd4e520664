"""What reads hostile bytes, one function each: takes any bytes, and fails when the reader breaks its promise."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from gaoler.cli import ssh_files
from gaoler.configuration import file as configuration
from gaoler.errors import Usage
from gaoler.host.console import sanitised
from gaoler.host.mconsole import parse_notify
from gaoler.host.process import Process
from gaoler.machines import live
from gaoler.store.names import base_name, default_name, machine_name, tag_name
from gaoler.units import duration, number, size
from gaoler.wire.framing import ProtocolError, decode, encode
from gaoler.wire.methods import METHODS

_STARTED = live.Live(Process(10, 20), 1.0, "7.2-abc")


def wire(data: bytes) -> None:
    """A message, or refused; what is understood is understood again when it is written anew."""
    with suppress(ProtocolError):
        message = decode(data)
        assert decode(encode(message)[:-1]) == message


def request(data: bytes) -> None:
    """A method's parameters are of their types and within their bounds, or refused."""
    with suppress(ProtocolError, ValidationError):
        message = decode(data)
        for method in METHODS.values():
            with suppress(ValidationError):
                method.request.model_validate(message)


def milestone(data: bytes) -> None:
    """A datagram of a machine's management console, and what it makes of the machine."""
    told = parse_notify(data)
    text = told.text if told else data.decode(errors="replace")
    assert not told or (len(text) <= 512 and text.isascii() and text.isprintable())
    now = live.told(_STARTED, text, lambda _: True)
    assert set(now.missing) <= set(live.MISSING)
    assert live.decode(live.encode(now)) == now


def address(data: bytes) -> None:
    """An address that a machine tells counts only where it is the machine's own, as it is written."""
    text = data.decode(errors="surrogateescape")
    for kind, version in (("address", 4), ("address6", 6)):
        asked: list[str] = []

        def own(said: str, asked: list[str] = asked) -> bool:
            asked.append(said)
            return True

        said = f"gaol {kind} {text}"
        now = getattr(live.told(_STARTED, said, own), kind)
        assert live.told(_STARTED, said, lambda _: False) == _STARTED, "the network alone says what is its own"
        assert (now is None and not asked) or asked == [now]
        if now is not None:
            parsed = ipaddress.ip_address(now)
            assert parsed.version == version and not (parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified)
            assert str(parsed) == now and now.isascii() and not set(now) & set("%/ \n,;-")


def host_key(data: bytes) -> None:
    """Of the host keys that a machine tells, lines of known_hosts for its own address alone are made."""
    text = data.decode(errors="replace")
    for line in ssh_files.known_hosts("10.1.2.3", text.splitlines()).splitlines(keepends=True):
        place, kind, key = line.removesuffix("\n").split(" ")
        assert line.endswith("\n") and place == "10.1.2.3" and key and kind.startswith(("ssh-", "ecdsa-"))
        assert line.isascii() and line.removesuffix("\n").isprintable()


def console(data: bytes) -> None:
    """What is shown of a log has no controls but newline and tab."""
    shown = sanitised(data)
    assert all(one in "\n\t" or (one >= " " and not "\x7f" <= one <= "\x9f") for one in shown)


def name(data: bytes) -> None:
    """What is taken for a name can be a file's, a host's and a command's argument without harm."""
    text = data.decode(errors="surrogateescape")
    for check in (machine_name, base_name, tag_name):
        with suppress(Usage):
            good = check(text)
            assert good == text
            assert good.isascii() and good[0].isalnum() and not set(good) & set("/\0\n ") and ".." not in good
    machine_name(default_name(text))


def quantity(data: bytes) -> None:
    """Sizes and durations are whole and not negative; numbers are finite."""
    text = data.decode(errors="surrogateescape")
    for parse in (size, duration):
        with suppress(Usage):
            assert isinstance(parse(text), int) and parse(text) >= 0
    with suppress(Usage):
        assert abs(number(text)) < float("inf")


def settings(data: bytes) -> None:
    """A configuration, or every mistake in one error."""
    file = os.memfd_create("settings")
    try:
        os.write(file, data)
        with suppress(Usage):
            configuration.load(Path(f"/proc/self/fd/{file}"))
    finally:
        os.close(file)


TARGETS = {target.__name__: target for target in (wire, request, milestone, address, host_key, console, name, quantity, settings)}
