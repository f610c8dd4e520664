"""Commands inside a machine: opened here, then the caller's alone."""

from __future__ import annotations

import os
import secrets
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gaoler import files
from gaoler.errors import Failed
from gaoler.host import agent, console
from gaoler.machines import keys, readiness
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.registry import Registry

_WRITE_OUT = 60.0
_HOST_KEY = "key=/etc/ssh/ssh_host_ed25519_key; [ -s $key ] || ssh-keygen -q -t ed25519 -N '' -f $key"
"""Without a network there is no sshd at the start, which would have made one."""
_SSHD = """
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
sshd=$(command -v sshd) || { echo "gaol: there is no sshd in this machine: apt-get install openssh-server" >&2; exit 127; }
[ -d /run/sshd ] || mkdir -p -m 0755 /run/sshd
exec "$sshd" -i -f /uml/etc/sshd_config -o AuthorizedKeysFile=none -o AuthorizedKeysCommandUser=root \
    -o "AuthorizedKeysCommand=/bin/echo -e $1" ${2:+-o "AllowUsers=$2"}
"""
"""One connection, on the standard streams: nothing is left of the keys when it ends."""
_BECOME, _BECOMING = ("/uml/bin/services", "become"), 30.0
"""Seconds for a machine to be itself; it takes a few hundredths."""


@dataclass(frozen=True)
class Command:
    arguments: tuple[str, ...]
    user: str = "root"
    login: bool = False
    directory: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    terminal: tuple[int, int] | None = None
    """Rows and columns."""
    umask: int = 0o22


@dataclass(frozen=True)
class SshDetails:
    """How the owner reaches a machine's sshd."""

    address: str
    user: str
    identity: str
    """The owner's private key."""
    host_keys: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    descriptors: tuple[int, ...]
    """Control, then the terminal's stream, or stdin, stdout, stderr."""

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class Sessions:
    """The way into the machines of a registry."""

    def __init__(self, registry: Registry, jailer: Jailer) -> None:
        self._registry = registry
        self._jailer = jailer

    def open(self, machine: Machine, command: Command) -> Opened:
        """Start a command inside; its streams are the caller's to close. Raises Failed."""
        if machine.observed.frozen:
            name = machine.record.name
            raise Failed(f"{name} is frozen", "its programs stand still, and so would the command", f"gaol thaw {name}")
        machine.entered = True
        request = agent.SessionRequest(
            cookie=secrets.token_hex(16),
            user=command.user,
            arguments=command.arguments,
            login=command.login,
            directory=command.directory,
            environment=command.environment,
            terminal=command.terminal,
            umask=command.umask,
        )
        try:
            sockets = agent.open_session(self._jailer.runtime(machine.record).agent, request)
        except OSError as error:
            raise Failed(f"machine {machine.record.name} takes no commands", error.strerror or str(error), "gaol info") from None
        return Opened(tuple(sock.detach() for sock in (sockets.control, *sockets.streams)))

    def output_of(self, machine: Machine, arguments: tuple[str, ...], *, limit: int, timeout: float) -> bytes:
        """What a short command prints, at most `limit` bytes of it within `timeout` seconds."""
        opened = self.open(machine, Command(arguments))
        control, stdin, stdout, stderr = (socket.socket(fileno=descriptor) for descriptor in opened.descriptors)
        deadline = time.monotonic() + timeout
        data = b""
        with control, stdin, stdout, stderr:
            stdin.shutdown(socket.SHUT_WR)
            while len(data) < limit and (left := deadline - time.monotonic()) > 0 and select.select([stdout], [], [], left)[0]:
                chunk = stdout.recv(limit - len(data))
                if not chunk:
                    break
                data += chunk
        return data

    def become(self, machine: Machine) -> None:
        """Have a machine that went on from memory take on the name, keys and addresses that it has by now. Raises Failed."""
        if self.output_of(machine, _BECOME, limit=5, timeout=_BECOMING) != b"done\n":
            name = machine.record.name
            raise Failed(f"{name} doesn't take on its name and address", f"within {_BECOMING:g} s", f"gaol log {name}")

    def write_out(self, machine: Machine) -> None:
        """Return when all that the machine's programs had written is in its files on the host. Raises Failed.

        What goes by write(2) is there at once; what goes by memory maps waits in the machine's kernel until somebody says sync.
        """
        readiness.wait_agent(machine, self._registry.configuration.machines.deadline)
        told = self.output_of(machine, ("sh", "-c", "sync && echo done"), limit=16, timeout=_WRITE_OUT)
        if told != b"done\n":
            name, why = machine.record.name, f"sync did not end well within {_WRITE_OUT:g} s"
            raise Failed(f"{name} does not write out its files", why, f"gaol down {name}")

    def ssh_details(self, machine: Machine) -> SshDetails:
        """Raises Failed where it has no address or no sshd."""
        live, record = machine.live, machine.record
        if live is None:
            raise Failed(f"{record.name} is not running", f"it is {machine.state}", f"gaol up {record.name}")
        address = live.address or live.address6
        if not (address and live.sshd):
            lacks = "address" if not address else "sshd"
            raise Failed(f"{record.name} can't be reached by ssh", f"it has no {lacks}", f"gaol shell {record.name}")
        return SshDetails(
            address=address,
            user=record.owner.name if record.owner.uid else "root",
            identity=keys.private(self._registry.directory(record)),
            host_keys=self.host_keys(machine),
        )

    def sshd(self, machine: Machine, keys: Sequence[str], login: str | None) -> Opened:
        """An sshd for one connection, which lets `keys` in: as `login` alone, or as anybody. Raises Failed."""
        return self.open(machine, Command(("sh", "-c", _SSHD, "sh", r"\n".join(keys), login or "")))

    def note_host_keys(self, machine: Machine) -> None:
        """Keep those of a machine that has just come up for the first time. Raises Failed where it doesn't tell."""
        if machine.live and machine.live.sshd:
            self.host_keys(machine)

    def host_keys(self, machine: Machine) -> tuple[str, ...]:
        """What its sshd had when it first came up: one that has others by now is told from it, whatever it says of itself."""
        kept = self._registry.directory(machine.record) / keys.FILES[2]
        if not kept.exists():
            command = ("sh", "-c", f"{_HOST_KEY}; cat /etc/ssh/ssh_host_*_key.pub")
            said = self.output_of(machine, command, limit=16384, timeout=5).decode(errors="replace")
            if not said.strip():  # it did not answer in time: kept, that would be all that is ever believed
                name = machine.record.name
                why = "nothing came of cat /etc/ssh/ssh_host_*_key.pub"
                raise Failed(f"{name} doesn't tell its host keys", why, f"gaol shell {name}")
            files.write(kept, "\n".join(line[:2000] for line in said.splitlines()[:8]).encode(), durable=False)
        return tuple(kept.read_text().splitlines())

    def console_text(self, machine: Machine) -> str:
        """What the console said, safe to show."""
        path = self._registry.log_path(machine.record)
        text = ""
        for part in (path.with_name(f"{path.name}.1"), path):
            if part.exists():
                text += console.sanitised(part.read_bytes())
        return text[-200_000:]
