"""ssh, ssh-config: OpenSSH to a machine, with its address, its host keys and a key it knows filled in."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from gaoler.cli.arguments import Parser, add_name
from gaoler.cli.output import show_json
from gaoler.client import Gaoler
from gaoler.errors import Failed, Usage

_HOST_KEY = re.compile(r"(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/=]+")


def main(command: str, arguments: list[str]) -> int:
    return _ssh(arguments) if command == "ssh" else _ssh_config(arguments)


def _ssh(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: gaol ssh NAME [ARGUMENTS OF SSH...]")
        if not arguments:
            raise Usage("no machine named", "", "gaol ls")
        return 0
    name, *rest = arguments
    options = _options(name)
    ours = [f"-o{key}={value}" for key, value in options.items() if key != "HostName"]
    # Behind the caller's own options, since ssh takes the first it is given of each, and before the remote command.
    at = _leading_options(rest)
    argv = ["ssh", *rest[:at], *ours, options["HostName"], *rest[at:]]
    try:
        os.execvp("ssh", argv)
    except FileNotFoundError:
        raise Failed("there is no ssh on this host", "OpenSSH's client is missing", "apt install openssh-client") from None


def _leading_options(words: list[str]) -> int:
    """How many of ssh's own arguments come before a remote command."""
    with_value = set("BbcDEeFIiJLlmOopPQRSWw")
    at = 0
    while at < len(words) and words[at].startswith("-") and len(words[at]) > 1:
        at += 2 if len(words[at]) == 2 and words[at][1] in with_value else 1
    return min(at, len(words))


def _ssh_config(arguments: list[str]) -> int:
    parser = Parser("ssh-config", "A Host block for ~/.ssh/config.")
    add_name(parser)
    parser.add_argument("--json", action="store_true")
    name = parser.parse_args(arguments)
    options = _options(name.name)
    if name.json:
        show_json({"Host": name.name, **options})
    else:
        print(f"Host {name.name}")
        for key, value in options.items():
            print(f"    {key} {shlex.quote(value) if ' ' in value else value}")
    return 0


def _options(name: str) -> dict[str, str]:
    """Ssh's options for a machine; its key and its host keys are written where only the caller reads them."""
    with Gaoler() as gaoler:
        machine = gaoler.call("Ssh", name=name)
    address = str(machine["address"])
    directory = _directory(str(machine["name"]))
    identity = directory / "identity"
    _write(identity, str(machine["identity"]))
    known = directory / "known_hosts"
    keys = [found[0] for key in machine["host_keys"] if (found := _HOST_KEY.match(str(key)))]
    _write(known, "".join(f"{address} {key}\n" for key in keys))
    return {
        "HostName": address,
        "User": str(machine["user"]),
        "IdentityFile": str(identity),
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes",
        "CheckHostIP": "no",
    }


def _directory(name: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = root / "gaoler" / name
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failed("no place for the machine's ssh key", f"{directory}: {error.strerror}", "set XDG_CACHE_HOME") from None
    return directory


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.rename(path)
