"""Machines as replies show them."""

from __future__ import annotations

from gaoler.bases.tree import has_desktop, has_programs
from gaoler.daemon.parts import Parts
from gaoler.daemon.rights import Admitted
from gaoler.host import cgroup
from gaoler.machines import clocks, disks, footprint
from gaoler.machines.machine import Machine
from gaoler.machines.removed import Kept
from gaoler.units import show_duration
from gaoler.wire import messages

AHEAD = "(ahead)"
"""What `top` calls a machine that waits for its owner's next `run`: no machine can be named so."""


def info_of(parts: Parts, machine: Machine) -> messages.Info:
    """`org.gaoler`'s Info of a machine, at this moment."""
    record, live = machine.record, machine.live
    lost = ["programs"] if live and live.ready and not has_programs(parts.jailer.gaol(record)) else []
    return messages.Info(
        name=record.name,
        owner=whose(parts, machine),
        gone=record.owner.name if parts.registry.is_orphan(machine) else None,
        state="running" if lost and machine.state == "ready" else machine.state,
        missing=[*(live.missing if live else ()), *lost],
        base=record.base,
        generation=record.generation,
        kernel=live.kernel if live else record.kernel,
        address=live.address if live else record.address if machine.observed.asleep else None,
        address6=live.address6 if live else record.address6 if machine.observed.asleep else None,
        mac=record.mac if record.network else None,
        memory=record.memory,
        host_memory=footprint.host_memory(record.memory),
        cpus=float(record.cpus),
        disk=record.disk,
        disk_used=disks.used(record, parts.jailer.gaol(record)),
        ttl=record.ttl,
        created=record.created,
        started=live.started if live else None,
        expires=clocks.expires(live, record.ttl),
        pid=live.process.pid if live else None,
        console=f"gaol shell {record.name}",
        init=record.init,
        mode=record.mode,
        home=record.home,
        network=record.network,
        desktop=has_desktop(parts.jailer.gaol(record)),
        reason=_lacks(parts, machine) or machine.observed.reason or _stopped_for(machine),
        killed=live.killed if live else None,
        newer=parts.bases.newer(record.base, record.generation) if record.generation else None,
        autostart=record.autostart,
        snapshots=parts.snapshots.tags(machine),
        shares=[
            messages.Shared(user=share.name, access=share.access, until=share.until, home=share.home) for share in record.shares
        ],
        access=None,
    )


def _stopped_for(machine: Machine) -> str | None:
    """Why it was stopped by nobody, as far as this daemon has seen."""
    ttl = machine.record.ttl
    why = {
        "idle": "nothing was done in it for long",
        "host": "the host went down while it ran",
        "drained": "the host was drained",
        "ttl": f"its time of {show_duration(ttl)} was over" if ttl else None,
    }
    return why.get(machine.observed.ending) if machine.state == "stopped" else None


def shown(parts: Parts, admitted: Admitted) -> messages.Info:
    """A machine as whoever may see it sees it: a friend needs not know what else its owner does with it."""
    info, share = info_of(parts, admitted.machine), admitted.share
    if share is None:
        return info
    nothing = dict.fromkeys(("reason", "pid", "disk_used", "killed", "newer"))
    given = {"access": share.access, "console": f"gaol shell {info.owner}/{info.name}"}
    return info.model_copy(update={**nothing, "snapshots": [], "shares": [], **given})


def _lacks(parts: Parts, machine: Machine) -> str | None:
    """Why it waits for its address."""
    live, network = machine.live, parts.configuration.network
    is_waiting = live is not None and "address" in live.missing and network.mode == "bridge"
    return f"no DHCP answer on {network.bridge}" if is_waiting else None


def whose(parts: Parts, machine: Machine) -> str:
    """Its owner's login; where that account has gone, its uid: that name may be somebody else's."""
    owner = machine.record.owner
    return f"#{owner.uid}" if parts.registry.is_orphan(machine) else parts.accounts.login(owner)


def removed_of(kept: Kept) -> messages.Removed:
    of = kept.record
    return messages.Removed(
        name=of.name,
        id=of.id,
        base=of.base,
        generation=of.generation,
        removed=kept.removed,
        until=kept.until,
        held=kept.held,
        snapshots=list(kept.snapshots),
    )


def usage_of(parts: Parts, machine: Machine) -> messages.Usage | None:
    """What a running machine uses; None when it has ended meanwhile."""
    live = machine.live
    if live is None:
        return None
    used = cgroup.used(parts.jailer.cgroup(machine.record))
    return messages.Usage(
        name=AHEAD if machine.is_spare else machine.record.name,
        owner=whose(parts, machine),
        memory=used.memory,
        memory_limit=machine.record.memory,
        cpu_seconds=used.cpu_seconds,
        tasks=used.tasks,
        uptime=live.age,
    )
