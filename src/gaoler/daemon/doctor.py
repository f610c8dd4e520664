"""What the host has and lacks, one check a line, with what mends it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable

from gaoler.bases.generations import Bases
from gaoler.configuration import holding
from gaoler.configuration.model import Configuration
from gaoler.daemon import store, verify
from gaoler.daemon.deciding import Decided
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, cgroup, facilities, id_ranges, programs
from gaoler.host.net import classifying, links
from gaoler.kernels import installed
from gaoler.machines import ceilings, footprint, record
from gaoler.machines.accounts import Accounts, mended
from gaoler.machines.draining import Drain
from gaoler.machines.request import above
from gaoler.store.paths import GUEST_FILES, Paths
from gaoler.units import show_duration, show_size
from gaoler.wire.messages import Check

_LATE = 2
"""Intervals without a good sync until that is called wrong: one may fail."""
_PATIENCE = 3.0
"""Seconds that a server is given to answer."""
_LOW = 2 << 30
"""Bytes free in the store below which it is called nearly full."""


def run(decided: Decided, drain: Drain | None = None, *, names: bool = False) -> list[Check]:
    """All checks; none of them changes anything. `names`: whether whoever asks may know whose machines there are."""
    drained = f"{drain}: nothing starts until gaol drain --end" if drain else "nobody drains this host"
    first = _check("configuration", lambda: _file(decided, names), f"sudo editor {decided.path}; gaoler --check")
    return [first, *run_on(decided.configuration, names=names), Check(name="drain", good=True, found=drained, hint="")]


def run_on(configuration: Configuration, *, names: bool = False) -> list[Check]:
    """Those of the host, under a configuration that holds."""
    checks: list[tuple[str, Callable[[], str], str]] = [
        ("programs", _programs, "apt install " + " ".join(programs.packages(programs.NEEDED))),
        ("linux", facilities.linux, ""),
        ("namespaces", facilities.namespaces, ""),
        ("cgroups", lambda: cgroup.host().name, ""),
        ("tun", lambda: facilities.device("/dev/net/tun", "tun"), ""),
        ("store", lambda: _store(configuration), "sudo gaol store init"),
        ("space", lambda: _space(configuration), "sudo gaol store grow, after a larger store.size or device; or gaol rm"),
        ("quotas", lambda: _quotas(configuration), _NO_QUOTAS),
        ("guest", lambda: _guest(configuration), "sudo make up, in gaoler's checkout"),
        ("kernel", lambda: _kernel(configuration), "sudo gaol kernel build"),
        (
            "base",
            lambda: _base(configuration),
            f"sudo gaol base add {configuration.machines.base} --mmdebstrap bookworm",
        ),
        ("syncs", lambda: _syncs(configuration), "gaol base ls; gaol base info NAME says why"),
        ("network", lambda: _network(configuration), "the bridge that [network] names must be there"),
        ("frames", lambda: _frames(configuration), ""),
        ("packages", lambda: _packages(configuration), "systemctl status apt-cacher-ng, or another network.packages"),
        ("limits", lambda: _limits(configuration, names), ""),
        ("accounts", lambda: _accounts(configuration, names), "sudo gaol ls --all; sudo gaol give '#UID/NAME' USER"),
        ("promises", lambda: _promises(configuration), ""),
        ("ids", lambda: _ids(configuration), "another [ids] range"),
    ]
    return [_check(name, look, hint) for name, look, hint in checks]


def _check(name: str, look: Callable[[], str], hint: str) -> Check:
    try:
        return Check(name=name, good=True, found=look(), hint="")
    except (GaolerError, OSError) as error:
        own_hint = error.hint if isinstance(error, GaolerError) else ""
        return Check(name=name, good=False, found=str(error), hint=own_hint or hint)


def _file(decided: Decided, names: bool) -> str:
    """Whether the configuration is what the file says; what is in that is for administrators."""
    try:
        wanted = verify.loaded(decided.path)
    except GaolerError as error:
        why = error.why if names else "administrators see them"
        raise GaolerError(f"{error.what}, and the daemon goes on with what it had", why, error.hint) from None
    if decided.why:
        why = f"{decided.path} is good by now"
        raise GaolerError("the daemon has the one that was good last", why, "systemctl restart gaoler")
    parts = [str(decided.path)]
    if differs := holding.told(*holding.differences(decided.configuration, wanted)):
        parts.append(f"changed since it was read, {differs if names else 'which does not hold yet'}: systemctl reload gaoler")
    return "; ".join([*parts, *(str(one) for one in (verify.told(wanted) if names else ()))])


def _programs() -> str:
    missing = tuple(name for name in programs.NEEDED if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"))
    if missing:
        raise GaolerError("missing", ", ".join(missing), "apt install " + " ".join(programs.packages(missing)))
    return ", ".join(programs.NEEDED)


def _store(configuration: Configuration) -> str:
    path = configuration.store.path
    there = store.mounted(configuration.store)
    if there is None:
        raise GaolerError(f"{path} is not mounted", str(store.configured(configuration.store)))
    flags = os.statvfs(path).f_flag
    if not (flags & os.ST_NOSUID and flags & os.ST_NODEV):
        raise GaolerError(
            f"{path} is not mounted nosuid,nodev",
            "files of root's with setuid bits lie in it",
            f"mount -o remount,nosuid,nodev {path}",
        )
    if told := store.is_elsewhere(configuration.store):
        wanted = store.configured(configuration.store)
        hint = f"sudo gaol store move --to {wanted}, or {store.setting(there)}, in /etc/gaoler/gaoler.toml"
        raise GaolerError(told, "after the next reboot that one would be looked for", hint)
    return f"{path}, btrfs, nosuid, nodev, on {there}"


def _space(configuration: Configuration) -> str:
    space = os.statvfs(configuration.store.path)
    free = space.f_bavail * space.f_frsize
    if free < _LOW:
        raise GaolerError("the store is nearly full", f"{show_size(free)} free")
    if configuration.store.device:
        return f"{show_size(free)} free"
    below = os.statvfs(configuration.store.image.parent)
    there = below.f_bavail * below.f_frsize
    if there < _LOW:
        raise GaolerError(f"the disk below {configuration.store.image} is nearly full", "the image grows on it")
    return f"{show_size(free)} free" + (f", of which the disk below has {show_size(there)}" if there < free else "")


_NO_QUOTAS = 'Linux 6.7 or newer, or store.quotas = "full", which makes ends of machines costly; until then disks are not limited'


def _quotas(configuration: Configuration) -> str:
    if configuration.store.quotas == "off":
        return "off, as the configuration says: machines' disks are not limited"
    kind = btrfs.quotas(configuration.store.path)
    if kind is None:
        raise GaolerError(f"btrfs {configuration.store.quotas} quotas are off", f"Linux {os.uname().release}")
    return f"btrfs {kind} quotas"


def _guest(configuration: Configuration) -> str:
    for name in GUEST_FILES:
        os.stat(configuration.store.path / name)
    return f"{configuration.store.path}/bin/startenv"


def _kernel(configuration: Configuration) -> str:
    return installed.find(configuration.store.path / "kernels", configuration.machines.kernel).name


def _base(configuration: Configuration) -> str:
    bases = Bases(Paths(configuration.store.path, configuration.daemon.runtime))
    bases.find(configuration.machines.base)
    return ", ".join(base.name for base in bases.all())


def _syncs(configuration: Configuration) -> str:
    """Bases that follow a master, and have not been as it for two intervals."""
    bases = Bases(Paths(configuration.store.path, configuration.daemon.runtime))
    following = [base for base in bases.all() if configuration.of_base(base.name).sync and not base.held]
    late = []
    for base in following:
        age = time.time() - ((base.last and base.last.good) or base.created)
        if age > _LATE * configuration.of_base(base.name).sync:
            late.append(f"{base.name} for {show_duration(age)}")
    if late:
        raise GaolerError("bases are not up to date", ", ".join(late))
    return ", ".join(base.name for base in following) or "by hand alone"


def _network(configuration: Configuration) -> str:
    network = configuration.network
    if network.mode == "none":
        return "none"
    if not links.link_exists(network.bridge):
        raise GaolerError(
            f"there is no bridge {network.bridge}",
            f"network mode is {network.mode}",
            "start gaoler: it makes it" if network.mode == "private" else "",
        )
    found = f"{network.mode}, bridge {network.bridge}"
    if network.mode == "private" and network.proxy_arp:
        found += f"; on the LAN of {network.proxy_arp}, as themselves"
    elif network.mode == "private":
        inwards = "from this host alone" if network.masquerade else f"where {network.subnet} is routed to this host"
        found += f"; machines are reached {inwards}"
        found += "" if network.masquerade is False else ", and reach out as this host (network.masquerade)"
    return found


_WEAKER = {
    "bridge": "the guard of machines' ports is weaker: they may be other stations to the LAN's DHCP servers",
    "private": "the guard of machines' ports is weaker: checksums may be written onto addresses where a device makes none",
}


def _frames(configuration: Configuration) -> str:
    """Whether the part of the guard that rules of nftables can't do is to be had."""
    if configuration.network.mode == "none":
        return "machines send none"
    try:
        classifying.check()
    except PermissionError:  # without a daemon anybody may ask
        return "root alone can find out whether programs look at them"
    except Failed as error:
        raise GaolerError(_WEAKER[configuration.network.mode], str(error), error.hint) from None
    return "rules and programs look at what machines send"


def _packages(configuration: Configuration) -> str:
    """Whether the cache of packages that machines are told of answers, as seen from here."""
    address = configuration.network.packages
    if not address:
        return "no cache of packages: each machine fetches its own (network.packages)"
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise GaolerError(f"the cache of packages at {address} doesn't answer", f"{error}; machines do without it") from None
    return f"machines' apt takes {address}"


def _promises(configuration: Configuration) -> str:
    """What all machines may take, were each to take what it was given; and what happens beyond what there is."""
    records = list(record.kept(Paths(configuration.store.path, configuration.daemon.runtime).records))
    ceiling, disk = ceilings.of_all(configuration), ceilings.disk_of_all(configuration)
    memory = sum(footprint.host_memory(of.memory) for of in records)
    kinds: tuple[tuple[str, float, float, Callable[[float], str], str], ...] = (
        ("memory", memory, ceiling.memory, show_size, "the kernel ends a machine"),
        ("processes", sum(of.pids for of in records), ceiling.pids, "{:.0f}".format, "fork fails in machines"),
        ("disk", sum(of.disk or 0 for of in records), disk, show_size, "writing fails in machines"),
    )
    told = []
    for name, promised, there, show, then in kinds:
        beyond = f" (beyond that {then})" if promised > there else ""
        told.append(f"{name} {show(promised)}, of {show(there)} that there is{beyond}")
    told[0] += f"; those that run at once {show_size(ceiling.memory * configuration.machines.overcommit)} (machines.overcommit)"
    return f"{len(records)} machines together may take " + "; ".join(told)


def _accounts(configuration: Configuration, names: bool) -> str:
    """Machines of accounts that have gone; and whether it was lost which have."""
    paths = Paths(configuration.store.path, configuration.daemon.runtime)
    accounts = Accounts(paths.accounts)
    found = [of for of in record.kept(paths.records) if of.owner.mark and accounts.has_gone(of.owner)]
    lost = mended(paths.accounts) if names else ""
    if not found:
        if lost:
            raise GaolerError("accounts were lost", lost)
        return "no machine's owner has gone"
    told = ", ".join(f"#{of.owner.uid}/{of.name} (once {of.owner.name})" for of in found) if names else f"{len(found)} machines"
    raise GaolerError("machines' owners have gone", f"{told}; {lost}" if lost else told)


def _limits(configuration: Configuration, names: bool) -> str:
    """Machines with more than their owners are granted today."""
    records = record.kept(Paths(configuration.store.path, configuration.daemon.runtime).records)
    found = [f"{of.owner.name}/{of.name} has {more}" for of in records if (more := above(configuration.limits, of))]
    if not found:
        return "no machine is above them"
    told = "; ".join(found) if names else f"{len(found)} machines are above them"
    return f"{told}; each is held to them at its next start"


def _ids(configuration: Configuration) -> str:
    """Ranges that the host gives to others would let machines share identities with them."""
    first, count = configuration.ids.first, configuration.ids.count
    if others := id_ranges.given(first, count):
        raise GaolerError("ids of machines are others', too", "; ".join(map(str, others[:8])))
    told = f"{first} to {first + count - 1}"
    kept = id_ranges.reserved(first, count)
    told += ", reserved in /etc/subuid and /etc/subgid" if kept else ", reserved nowhere: sudo make up does it"
    near = "; ".join(map(str, id_ranges.near(first, count)))
    return told + (f"; overlaps {near}: where containers run with ids of their own, choose others" if near else "")
