"""An owner's way to a machine's sshd: its address, its host keys and a key that it knows."""

from __future__ import annotations

from gaoler import files
from gaoler.cli.ssh_files import directory, known_hosts
from gaoler.client import Gaoler


def options(name: str) -> dict[str, str]:
    """Ssh's options for a machine; its key and its host keys are written where only the caller reads them."""
    with Gaoler() as gaoler:
        machine = gaoler.call("Ssh", name=name)
    address = str(machine["address"])
    place = directory(str(machine["name"]))
    identity = place / "identity"
    files.replace(identity, str(machine["identity"]).encode())
    known = place / "known_hosts"
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
