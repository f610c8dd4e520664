"""ssh, ssh-config: OpenSSH to a machine, with its address, its host keys and a key it knows filled in."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from gaoler import files
from gaoler.cli.arguments import ALL_THAT_FOLLOWS, JSON, MACHINE, Command, flag
from gaoler.cli.output import show
from gaoler.client import Gaoler
from gaoler.client.session import in_foreground
from gaoler.errors import Failed

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST_KEY = re.compile(r"(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/=]+")


def _ssh(given: Any) -> int:
    rest = given.words
    # In the background ssh would be stopped as soon as somebody types to the shell. Without a command it is a shell itself.
    if given.no_stdin or (rest[_leading_options(rest) :] and os.isatty(0) and not in_foreground(0)):
        rest = ["-n", *rest]
    options = _options(given.name)
    ours = [f"-o{key}={value}" for key, value in options.items() if key != "HostName"]
    # Behind the caller's own options, since ssh takes the first it is given of each, and before the remote command.
    at = _leading_options(rest)
    argv = ["ssh", *rest[:at], *ours, options["HostName"], *rest[at:]]
    try:
        os.execvp("ssh", argv)
    except FileNotFoundError:
        raise Failed(
            "there is no ssh on this host", "the OpenSSH client is not installed", "apt install openssh-client"
        ) from None


def _leading_options(words: list[str]) -> int:
    """How many of ssh's own arguments come before a remote command."""
    with_value = set("BbcDEeFIiJLlmOopPQRSWw")
    at = 0
    while at < len(words) and words[at].startswith("-") and len(words[at]) > 1:
        at += 2 if len(words[at]) == 2 and words[at][1] in with_value else 1
    return min(at, len(words))


def _ssh_config(given: Any) -> int:
    options = _options(given.name)
    return show({"Host": given.name, **options}, as_json=given.json, text=lambda: _tell(given.name, options))


def _tell(name: str, options: dict[str, str]) -> None:
    print(f"Host {name}")
    for key, value in options.items():
        print(f"    {key} {shlex.quote(value) if ' ' in value else value}")


def _options(name: str) -> dict[str, str]:
    """Ssh's options for a machine; its key and its host keys are written where only the caller reads them."""
    with Gaoler() as gaoler:
        machine = gaoler.call("Ssh", name=name)
    address = str(machine["address"])
    directory = _directory(str(machine["name"]))
    identity = directory / "identity"
    files.replace(identity, str(machine["identity"]).encode())
    known = directory / "known_hosts"
    files.replace(known, known_hosts(address, machine["host_keys"]).encode())
    return {
        "HostName": address,
        "User": str(machine["user"]),
        "IdentityFile": str(identity),
        "IdentitiesOnly": "yes",  # an agent's many keys would be tried first, and sshd takes six
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes",
        "CheckHostIP": "no",
    }


def known_hosts(address: str, told: Sequence[str]) -> str:
    """The lines for a machine of what it told of its host keys: whatever else it said is left out."""
    return "".join(f"{address} {found[0]}\n" for key in told if (found := _HOST_KEY.match(str(key))))


def forget(name: str) -> None:
    """Remove key and host keys that were kept for a machine of that name: the next one of that name is another."""
    directory = _place(name)
    with suppress(OSError, RuntimeError):  # none were, or there is no home
        for kept in ("identity", "known_hosts"):
            (directory / kept).unlink(missing_ok=True)
        directory.rmdir()


def _place(name: str) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gaoler" / name.rpartition("/")[2]


def _directory(name: str) -> Path:
    directory = _place(name)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            "no place for the machine's ssh key", f"{directory}: {error.strerror}", "XDG_CACHE_HOME=/tmp gaol ssh NAME"
        ) from None
    return directory


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
    "ssh-config": Command(
        _ssh_config,
        "Print a Host block for ~/.ssh/config, so that ssh, scp, rsync and editors find the machine.",
        MACHINE,
        JSON,
        examples=(("gaol ssh-config web >> ~/.ssh/config", ""),),
    ),
}
