"""A machine of a test's, as its owner sees it through `gaol`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from system.support.gateway import Done, Gateway
from system.support.users import User

IDENTITY = {
    "host name": "cat /proc/sys/kernel/hostname",
    "host name on disk": "cat /etc/hostname",
    "machine id": "cat /etc/machine-id",
    "host key": "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "MAC": "cat /sys/class/net/eth0/address",
    "addresses": "hostname -I",
    "what it is told": "cat /run/gaoler/machine",
    "who may log in": "cat /run/sshd.keys/all",
}
"""What no two machines have in common, and the command that shows it inside."""


@dataclass(frozen=True)
class Machine:
    gateway: Gateway
    name: str
    user: User

    def gaol(self, verb: str, *arguments: str, **options: Any) -> Done:
        """`gaol VERB NAME ARGUMENTS...` as its owner."""
        return self.gateway.gaol(verb, self.name, *arguments, user=self.user, **options)

    def up(self, *options: str, **more: Any) -> Done:
        return self.gaol("up", *options, check=True, **more)

    def exec(self, *command: str, guest_user: str = "root", **options: Any) -> Done:
        return self.gaol("exec", "--user", guest_user, "--", *command, **options)

    def sh(self, script: str, guest_user: str = "root", **options: Any) -> str:
        """What a shell script inside prints; it must succeed."""
        done = self.exec("sh", "-ec", script, guest_user=guest_user, **options)
        assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return str(done.stdout).strip()

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.gaol("info", "--json", check=True).stdout)
        return found

    @staticmethod
    def lasting(info: dict[str, Any]) -> dict[str, Any]:
        """What is told of a machine and does not change while it runs: all but what it has written, which is counted
        when the store commits."""
        return {key: value for key, value in info.items() if key != "disk_used"}

    @property
    def state(self) -> str:
        return str(self.info()["state"])

    @property
    def address(self) -> str:
        return str(self.info()["address"])

    def remove(self) -> None:
        self.gaol("rm", "--force")


@contextmanager
def running(gateway: Gateway, user: User, name: str, *options: str) -> Iterator[Machine]:
    """A machine that is up, and removed afterwards."""
    machine = Machine(gateway, name, user)
    try:
        machine.up(*options)
        yield machine
    finally:
        machine.remove()
