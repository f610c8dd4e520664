"""From a record to a running jail: sockets, settings, network, and at last the kernel's process. And the way back."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from gaoler import background
from gaoler.background import meanwhile
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, cgroup, console, cpus, jail
from gaoler.host.cgroup import owners
from gaoler.host.jail import ids
from gaoler.kernels.kernel import Kernel
from gaoler.machines import command_line, covered, disks, footprint
from gaoler.machines.failpoints import reach
from gaoler.machines.live import Live
from gaoler.machines.network import Network
from gaoler.machines.record import Record
from gaoler.machines.resuming import Resumed
from gaoler.store.paths import Paths, Runtime

IDS = ids.SIZE
"""Host ids of one machine."""


@dataclass(frozen=True)
class Jailer:
    """What all machines of one daemon have in common."""

    paths: Paths
    prefix: str
    first_id: int
    network: Network
    owners: owners.Groups

    def gaol(self, record: Record) -> Path:
        return (self.paths.ephemeral if record.ephemeral else self.paths.gaols) / record.id

    def runtime(self, record: Record) -> Runtime:
        return Runtime(self.paths.machines / record.id)

    def container(self, record: Record) -> str:
        return f"{self.prefix}-{record.id}"

    def cgroup(self, record: Record) -> str:
        return f"{self.owners.of(record.owner.share)}/{self.container(record)}"

    def start(
        self, record: Record, kernel: Kernel, authorized_keys: str, busy: dict[int, int], image: Resumed | None = None
    ) -> tuple[Live, socket.socket]:
        """Start the machine's kernel. `busy` is machines by processor, `image` what to go on from. Raises GaolerError.

        Its milestones come to the socket, from now on: it is the caller's.
        """
        runtime = self.runtime(record)
        with ExitStack() as undo:
            undo.callback(self.release, record)
            runtime.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_settings(runtime, record, authorized_keys)
            notify = bind_notify(runtime)
            undo.callback(notify.close)
            with ExitStack() as ours:  # our copies of what the kernel inherits
                ours.enter_context(self.owners.entering(record.owner.share))
                ours.enter_context(meanwhile(cgroup.hurry))  # crun takes longer than anything that is done so
                agent = ours.enter_context(_listen(runtime.agent))
                console.make(runtime.console)
                output = console.open_both(runtime.console)
                ours.callback(os.close, output)
                reach("start.prepared")
                tap = self.network.open(record)
                if tap is not None:
                    ours.callback(os.close, tap)
                plugged = ours.enter_context(meanwhile(lambda: self.network.plug(record)))
                described = self._jail(record, kernel, busy, tap is not None)
                if image and image.guest:
                    described = replace(described, earlier=image.guest)
                process = jail.start(
                    described,
                    console=output,
                    agent=agent.fileno(),
                    tap=tap,
                    image=(image.memory, image.state) if image else (),
                    runtime=self.paths.jails,
                )
                plugged.result()
                reach("start.plugged")
            undo.pop_all()
        live = Live(
            process, time.time(), kernel.name, address=record.address, address6=record.address6, given=not record.ephemeral
        )
        return live, notify

    def _write_settings(self, runtime: Runtime, record: Record, authorized_keys: str) -> None:
        for directory in (runtime.config, runtime.host, runtime.bundle):
            directory.mkdir(mode=0o755, exist_ok=True)
        (runtime.config / "machine").write_text(
            command_line.settings(record, self.network.for_startenv(record) | _subordinate_ids(record))
        )
        (runtime.config / "authorized_keys").write_text(authorized_keys)
        if record.home:
            covered.tell(runtime.covered, record)
        if record.disk:
            disks.tell(runtime.disk, record, self.gaol(record))

    def _jail(self, record: Record, kernel: Kernel, busy: dict[int, int], network: bool) -> jail.Jail:
        owner = record.owner
        groups = tuple(gid for _, gid in owner.groups)
        return jail.Jail(
            name=self.container(record),
            ids=ids.IdRange(self.first_id + record.slot * IDS, IDS),
            gaol=self.gaol(record),
            kernel=kernel.binary,
            guest=self.paths.store,
            config=self.runtime(record).config,
            notify_dir=self.runtime(record).host,
            owner=jail.Owner(owner.name, owner.uid, owner.gid, groups),
            home=jail.Home(Path(owner.home)) if record.home else None,
            memory=record.memory,
            overhead=footprint.host_memory(record.memory) - record.memory,
            pids=record.pids,
            cpus=record.cpus,
            cpu=cpus.choose(busy),
            arguments=command_line.kernel_words(record, network=network),
            label=command_line.label(record),
            bundle=self.runtime(record).bundle,
            cgroup=self.cgroup(record),
            rescued=self.paths.gaols / record.rescues if record.rescues else None,
        )

    def left_over(self, record: Record) -> bool:
        """Whether something of a run of the machine is still on the host; its runtime directory goes last."""
        return self.runtime(record).host.exists()

    def release(self, record: Record) -> None:
        """Take away whatever of the machine is on the host but its files: idempotent, by its id alone."""
        problems: list[Exception] = []
        steps: tuple[Callable[[], None], ...] = (
            lambda: jail.remove(self.container(record), runtime=self.paths.jails, cgroup_path=self.cgroup(record)),
            lambda: self.owners.left(record.owner.share),
            lambda: reach("release.unjailed"),
            lambda: self.network.unplug(record),
            lambda: reach("release.unplugged"),
            lambda: _discard(self.runtime(record).root),
        )
        for step in steps:
            try:
                step()
            except (GaolerError, OSError) as error:  # the others are done all the same
                problems.append(error)
        if problems:
            raise Failed(f"machine {record.name} could not be cleared up", "; ".join(map(str, problems)), "gaol doctor")

    def delete_gaol(self, record: Record) -> None:
        """Delete the machine's files and snapshots. Idempotent.

        Its tree first, in one step: a record without a tree tells a later daemon to go on.
        """
        gaol = self.gaol(record)
        if gaol.exists():
            btrfs.delete(gaol)
        backups = self.paths.backups / record.id
        for kept in (self.paths.snapshots / record.id, self.paths.memory / record.id, *_within(backups)):
            if kept.is_dir():
                for path in kept.iterdir():
                    btrfs.delete(path)
                kept.rmdir()
        if backups.is_dir():
            backups.rmdir()


def _within(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _discard(directory: Path) -> None:
    """Take a directory away in one step. What is in it goes in the background, or when the next daemon starts.

    A dozen files take milliseconds where they are on a disk, and whoever waits for the machine's end would wait for them.
    """
    gone = directory.with_name(f".{directory.name}.gone")
    try:
        directory.rename(gone)
    except FileNotFoundError:
        return
    except OSError:  # those of a former run are still going
        shutil.rmtree(directory, ignore_errors=True)
        return
    background.begin(lambda: shutil.rmtree(gone, ignore_errors=True), "discard")


def bind_notify(runtime: Runtime) -> socket.socket:
    """The datagram socket that the machine's milestones come to; a former one of that path is replaced."""
    runtime.notify.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(str(runtime.notify))
    runtime.notify.chmod(0o666)  # the jail's root is nobody here; only its own jail shows it the path
    return sock


def _subordinate_ids(record: Record) -> dict[str, str]:
    owner = record.owner
    lent = ids.subordinate(owner.uid, [owner.gid, *(gid for _, gid in owner.groups)])
    return {"OWNER_SUBIDS": f"{lent.start}:{len(lent)}"}


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(128)
    return sock
