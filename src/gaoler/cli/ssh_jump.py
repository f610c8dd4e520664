"""The way into machines from a computer that isn't the gateway: its ssh, by way of the caller's login on the gateway."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from shlex import quote

from gaoler.errors import Failed, Usage

_GATEWAY = re.compile(r"(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9_.:-]+")
_KEY = re.compile(
    r"(?:^|[\s,\"])((?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) AAAA[A-Za-z0-9+/]+={0,3})(?:\s|$)"
)
_MANY = 32
"""Keys: as many as the daemon takes."""


def block(host: str, user: str, machine: str, gateway: str) -> dict[str, str]:
    """Ssh's options on that computer for OWNER/NAME or NAME.

    Of the machine's own host key it keeps nothing. The connection comes from the daemon, through a login that ssh has checked
    the gateway's key for; and a machine that is made anew has another one.
    """
    program = quote(os.path.abspath(sys.argv[0])).replace("%", "%%")
    words = [program, "ssh-proxy", "--jump", quote(machine)]
    return {
        "Host": host,
        "User": user,
        "HostKeyAlias": host,
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "LogLevel": "ERROR",  # or ssh would say each time that it has learnt a key
        "ProxyCommand": " ".join(["ssh", gateway, *map(quote, words)]),
    }


def gateway(told: str | None, login: str) -> str:
    """USER@HOST of this host, for ssh; `told` is what the other computer calls it. Raises Usage."""
    if told is None:
        from socket import getfqdn  # milliseconds to import

        name = getfqdn()
        told = name if "." in name and not name.startswith("localhost") else os.uname().nodename
    if told.startswith("-") or not _GATEWAY.fullmatch(told):
        raise Usage("--gateway is a host", "as ssh takes it: HOST or USER@HOST", "gaol ssh-config --jump --gateway HOST")
    return told if "@" in told else f"{login}@{told}"


def keys(login: str) -> list[str]:
    """The public keys that let the caller in here: whoever has come by one of them may go on with any. Raises Failed.

    What else an entry says (a command, an address) is for this host's door, which was passed.
    """
    place = Path.home() / ".ssh" / "authorized_keys"
    try:
        lines, why = place.read_text(errors="replace").splitlines(), "there is none"
    except OSError as error:
        lines, why = [], error.strerror or str(error)
    found = [key[1] for line in lines if not line.lstrip().startswith("#") and (key := _KEY.search(line))]
    if not found:
        hint = f"ssh-copy-id {gateway(None, login)}"
        raise Failed("this host knows no key of yours", f"{place}: {why}; give it one, from your computer", hint)
    return found[:_MANY]
