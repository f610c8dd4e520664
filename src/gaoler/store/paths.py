"""Where everything lies, in the store and in the runtime directory."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

GUEST_FILES = ("bin/startenv", "bin/agent", "etc/sshd_config", "lib/initramfs.cpio", "lib/close-namespace")
"""In the store's top directory: what a machine can't start without."""


@dataclass(frozen=True)
class Paths:
    store: Path
    runtime: Path

    @property
    def private(self) -> Path:
        """0700 root: trees in it hold files of uid 0 with setuid bits, which no user of the host may reach."""
        return self.store / ".gaoler"

    @property
    def records(self) -> Path:
        return self.private / "machines"

    @property
    def accounts(self) -> Path:
        """Who has used gaoler: accounts, and what tells them from later ones."""
        return self.private / "accounts.json"

    @property
    def gaols(self) -> Path:
        return self.private / "gaols"

    @property
    def ephemeral(self) -> Path:
        """Gaols of `gaol run`: whatever is in here is meant to be thrown away."""
        return self.private / "ephemeral"

    @property
    def removed(self) -> Path:
        """Machines that were thrown away, while they can be had back."""
        return self.private / "removed"

    @property
    def snapshots(self) -> Path:
        return self.private / "snapshots"

    @property
    def memory(self) -> Path:
        """What belongs to snapshots of running machines: kernel memory, root's alone."""
        return self.private / "memory"

    @property
    def guests(self) -> Path:
        """Files that run inside machines, of earlier installations, for memory that is kept."""
        return self.private / "guests"

    @property
    def generations(self) -> Path:
        return self.private / "generations"

    @property
    def staging(self) -> Path:
        return self.private / "staging"

    @property
    def spares(self) -> Path:
        """Clones of bases, made ahead."""
        return self.private / "spares"

    @property
    def backups(self) -> Path:
        """What was backed up last, for the next backup to be what has changed since."""
        return self.private / "backups"

    @property
    def former_keys(self) -> Path:
        """Of whole accounts, which earlier versions kept; machines have keys of their own."""
        return self.private / "keys"

    @property
    def kernels(self) -> Path:
        return self.store / "kernels"

    @property
    def machines(self) -> Path:
        """Runtime directories of machines that run."""
        return self.runtime / "machines"

    @property
    def jails(self) -> Path:
        """Crun's own state, and the empty root that all jails share."""
        return self.runtime / "jails"

    def make(self) -> None:
        """Make the directories that are missing."""
        self.private.mkdir(mode=0o700, exist_ok=True)
        if stat.S_IMODE(self.private.stat().st_mode) != 0o700:  # a store that is read-only by now is served on
            self.private.chmod(0o700)
        for path in (
            self.records,
            self.gaols,
            self.ephemeral,
            self.snapshots,
            self.memory,
            self.guests,
            self.generations,
            self.staging,
            self.spares,
            self.backups,
            self.removed,
        ):
            path.mkdir(mode=0o700, exist_ok=True)
        self.kernels.mkdir(mode=0o755, exist_ok=True)
        self.machines.mkdir(mode=0o711, exist_ok=True, parents=True)


@dataclass(frozen=True)
class Runtime:
    """The runtime directory of one machine."""

    root: Path

    @property
    def agent(self) -> Path:
        """The agent's socket; never shown to the jail."""
        return self.root / "agent.sock"

    @property
    def console(self) -> Path:
        return self.root / "console"

    @property
    def config(self) -> Path:
        """Shown to the machine read-only as /run/gaoler."""
        return self.root / "config"

    @property
    def disk(self) -> Path:
        """What the machine's kernel tells of its disk (disks)."""
        return self.config / "disk"

    @property
    def covered(self) -> Path:
        """Places in the home that the host has mounted something over (covered)."""
        return self.config / "covered"

    @property
    def host(self) -> Path:
        return self.root / "host"

    @property
    def notify(self) -> Path:
        return self.host / "notify"

    @property
    def bundle(self) -> Path:
        return self.root / "bundle"

    @property
    def live(self) -> Path:
        return self.root / "live.json"

    @property
    def record(self) -> Path:
        """The record of an ephemeral machine, which needs not survive the host's restart."""
        return self.root / "record.json"
