"""ssh: OpenSSH to a machine, with its address, its host keys and a key it knows filled in."""

from __future__ import annotations

import os
from typing import Any

from gaoler.cli.arguments import ALL_THAT_FOLLOWS, MACHINE, Command, flag
from gaoler.cli.ssh_direct import options
from gaoler.cli.ssh_files import no_ssh
from gaoler.client import Gaoler
from gaoler.client.session import in_foreground

_UP = ("running", "ready")


def _ssh(given: Any) -> int:
    rest = given.words
    # In the background ssh would be stopped as soon as somebody types to the shell. Without a command it is a shell itself.
    if given.no_stdin or (rest[_leading_options(rest) :] and os.isatty(0) and not in_foreground(0)):
        rest = ["-n", *rest]
    host, ours = _way(given.name)
    # Behind the caller's own options, since ssh takes the first it is given of each, and before the remote command.
    at = _leading_options(rest)
    argv = ["ssh", *rest[:at], *ours, host, *rest[at:]]
    try:
        os.execvp("ssh", argv)
    except FileNotFoundError:
        raise no_ssh() from None


def _leading_options(words: list[str]) -> int:
    """How many of ssh's own arguments come before a remote command."""
    with_value = set("BbcDEeFIiJLlmOopPQRSWw")
    at = 0
    while at < len(words) and words[at].startswith("-") and len(words[at]) > 1:
        at += 2 if len(words[at]) == 2 and words[at][1] in with_value else 1
    return min(at, len(words))


def _way(name: str) -> tuple[str, list[str]]:
    """What ssh is told to connect to, and how: to the address; a friend, and where there is none, through the daemon."""
    with Gaoler() as gaoler:
        machine = gaoler.call("Inspect", name=name)["machine"]
    if machine["access"] or (machine["state"] in _UP and not machine["address"]):
        from gaoler.cli.ssh_config import block

        found = block(machine)
        return found.pop("Host"), [f"-o{key}={value}" for key, value in found.items()]
    found = options(name)
    return found.pop("HostName"), [f"-o{key}={value}" for key, value in found.items()]


COMMANDS = {
    "ssh": Command(
        _ssh,
        "Log in to a machine with OpenSSH, as yourself; the address, the host keys and a key that it accepts are filled in. "
        "Whatever follows NAME is passed to ssh: options, a command.",
        MACHINE,
        flag("-n", "--no-stdin", about="don't read standard input: for background jobs"),
        words="ARGUMENT...",
        begin=ALL_THAT_FOLLOWS,
        examples=(
            ("gaol ssh web", ""),
            ("gaol ssh web -L 8080:localhost:80", "a tunnel"),
            ("gaol ssh web uptime", "one command"),
        ),
    ),
}
