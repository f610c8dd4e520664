"""What the daemon consists of, put together once; the methods that answer are given it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaoler.bases.generations import Bases
from gaoler.bases.sync import BaseSync
from gaoler.configuration.model import Configuration
from gaoler.daemon.caller import uid_of
from gaoler.daemon.deciding import Decided
from gaoler.daemon.metrics import Metrics
from gaoler.daemon.rights import Rights
from gaoler.daemon.store import memo_of
from gaoler.host.cgroup import owners
from gaoler.machines.accounts import Accounts
from gaoler.machines.ahead import Ahead
from gaoler.machines.arriving import Arriving
from gaoler.machines.autostart import Autostart
from gaoler.machines.backups import Backups
from gaoler.machines.boot import Boot
from gaoler.machines.changing import Changing
from gaoler.machines.cloning import Cloning
from gaoler.machines.copies import Copies
from gaoler.machines.differences import Differences
from gaoler.machines.draining import Draining
from gaoler.machines.jailing import Jailer
from gaoler.machines.leavers import Leavers
from gaoler.machines.making import Making
from gaoler.machines.monitor import Monitor
from gaoler.machines.network import Network
from gaoler.machines.origins import Origins
from gaoler.machines.portable import Portable
from gaoler.machines.quotas import Quotas
from gaoler.machines.rebasing import Rebasing
from gaoler.machines.registry import Registry
from gaoler.machines.removed import Removed
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions
from gaoler.machines.sharing import Sharing
from gaoler.machines.sleeping import Sleeping
from gaoler.machines.snapshots import Snapshots
from gaoler.machines.spares import Spares
from gaoler.machines.tally import Tally
from gaoler.machines.templates import Templates
from gaoler.progress import Report
from gaoler.store.memo import Keeper
from gaoler.store.paths import Paths
from gaoler.wire.which import Which


@dataclass(frozen=True)
class Parts:
    decided: Decided
    configuration: Configuration
    paths: Paths
    network: Network
    monitor: Monitor
    tally: Tally
    accounts: Accounts
    jailer: Jailer
    bases: Bases
    quotas: Quotas
    registry: Registry
    spares: Spares
    making: Making
    running: Running
    sessions: Sessions
    snapshots: Snapshots
    changing: Changing
    sharing: Sharing
    differences: Differences
    leavers: Leavers
    rebasing: Rebasing
    copies: Copies
    backups: Backups
    portable: Portable
    removed: Removed
    cloning: Cloning
    sleeping: Sleeping
    boot: Boot
    autostart: Autostart
    draining: Draining
    arriving: Arriving
    syncs: BaseSync
    metrics: Metrics
    rights: Rights


def assemble(decided: Decided, network: Network) -> Parts:
    """Make the parts and let them know each other; nothing is done to the host yet."""
    configuration = decided.configuration
    daemon = configuration.daemon
    paths = Paths(configuration.store.path, daemon.runtime)
    monitor, tally, bases = Monitor(), Tally(), Bases(paths)
    jailer = Jailer(paths, daemon.prefix, configuration.ids.first, network, owners.Groups(daemon.prefix))
    accounts = Accounts(paths.accounts)
    registry = Registry(configuration, jailer, Keeper(memo_of(configuration.store)).note, accounts.has_gone)
    quotas = Quotas(configuration, paths)
    running = Running(registry, jailer, quotas, monitor, tally)
    spares = Spares(running)
    making = Making(registry, jailer, bases, quotas, spares)
    sessions = Sessions(registry, jailer)
    ahead = Ahead(registry, jailer, bases, making, running, spares, monitor)
    origins = Origins(registry, jailer, sessions)

    def take(machine: str, mark: str, keep: Sequence[str]) -> Callable[[Path, Report], None]:
        which = Which.read(machine)
        return origins.files(uid_of(which.owner or ""), which.name or "", mark, keep)

    syncs = BaseSync(
        configuration,
        bases,
        used=origins.generations,
        take=take,
        count=lambda base, result: tally.syncs.labels(base, result).inc(),
    )
    snapshots = Snapshots(registry, jailer, quotas, making)
    copies = Copies(jailer, quotas, running, snapshots)
    boot = Boot(paths.runtime)
    autostart = Autostart(registry, running, boot)
    sleeping = Sleeping(registry, jailer, running, sessions, snapshots, copies)
    templates = Templates(registry, jailer, bases, making, running, sessions, copies, monitor)
    return Parts(
        decided=decided,
        configuration=configuration,
        paths=paths,
        network=network,
        monitor=monitor,
        tally=tally,
        accounts=accounts,
        jailer=jailer,
        bases=bases,
        quotas=quotas,
        registry=registry,
        spares=spares,
        making=making,
        running=running,
        sessions=sessions,
        snapshots=snapshots,
        changing=Changing(configuration, registry, jailer, quotas, running),
        sharing=Sharing(registry, jailer, sessions),
        differences=Differences(registry, jailer, snapshots, origins),
        rebasing=Rebasing(registry, jailer, bases, snapshots, origins),
        copies=copies,
        leavers=Leavers(accounts, registry, quotas, running, snapshots, copies, monitor),
        cloning=Cloning(registry, jailer, quotas, making, running, sessions),
        sleeping=sleeping,
        boot=boot,
        autostart=autostart,
        draining=Draining(paths.runtime / "drain", registry, jailer, running, sleeping, spares, monitor, autostart.again),
        backups=Backups(accounts, registry, jailer, quotas, making, snapshots),
        removed=Removed(registry, jailer, quotas, making, running, monitor),
        portable=Portable(registry, jailer, quotas, making, sessions),
        arriving=Arriving(registry, making, running, sleeping, sessions, ahead, templates),
        syncs=syncs,
        metrics=Metrics(configuration, registry, jailer, bases, tally.registry),
        rights=Rights(configuration, registry, bases, accounts.known),
    )
