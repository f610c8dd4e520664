"""What a jail is made of, and its translation into an OCI runtime configuration (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gaoler.host import cgroup
from gaoler.host.jail import seccomp
from gaoler.host.jail.ids import Identities, IdRange, Mapping, Maps, identities

_MIB = 1024 * 1024

# The physical memory's file holds a little more than the memory: UML rounds and adds its own image to it.
_SHM_SLACK = 64 * _MIB

OOM_SCORE = 600
"""When the host's memory ends, machines end before its services (0): of equal size a machine counts as so many thousandths of all
memory more (oom_score_adj of proc(5)).
"""

# Over files inside, root must be what root is elsewhere: that takes these and no others.
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETGID", "CAP_SETUID")

_NAMESPACES = ("user", "pid", "mount", "ipc", "uts", "network", "cgroup")

# What /proc tells about the host or lets one ask of it; the rest is needed (/proc/self, /proc/cpuinfo) or harmless.
_MASKED = ("acpi", "asound", "interrupts", "kallsyms", "kcore", "key-users", "keys", "latency_stats", "sched_debug",
           "scsi", "timer_list", "timer_stats")  # fmt: skip
_READONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")

# Where things lie in the jail; the skeleton has a mount point for each.
DIRECTORIES = ("gaol", "home", "uml/bin", "uml/etc", "uml/lib", "config", "kernel", "host", "run", "dev", "proc")
KERNEL = "kernel/linux"

CLOSE_NAMESPACE = "lib/close-namespace"
"""Of the guest's files; run in the jail's namespaces before its kernel: makes the limit of further user namespaces 0."""


@dataclass(frozen=True)
class Owner:
    """Whose machine it is, by the host's account; `groups` are all gids, the primary one included or not."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Home:
    """The owner's home directory on the host; `squashed` where its file system takes no mapped ids (idmap.py)."""

    source: Path
    squashed: bool | None = None  # None: found out at the start (idprobe.can_idmap)


@dataclass(frozen=True)
class Jail:
    """All that surrounds one kernel process.

    The paths are the host's and must be reachable for strangers only where the text says so: `config` and `notify_dir`
    hold files that are readable, and a socket that is writable, for everybody, behind any directory.
    """

    name: str  # unique among the containers of one runtime directory
    ids: IdRange
    gaol: Path
    kernel: Path  # the program
    guest: Path  # has bin, etc and lib, shown as /uml
    config: Path
    notify_dir: Path
    owner: Owner  # whose ids are mapped beside 0..65535, and whose the home is
    home: Home | None
    memory: int  # bytes that the machine sees
    overhead: int  # bytes on top, for the kernel process itself and what the host keeps for it
    pids: int  # host processes and threads
    cpus: float | None  # 1.5 is one and a half processors' time
    cpu: int | None  # run on this processor alone
    arguments: tuple[str, ...]  # the kernel's command line
    bundle: Path  # a directory of its own for the runtime's files
    cgroup: str  # from the root of the control groups' file system
    earlier: Path | None = None  # shown in place of `guest`, behind any directory: what memory that is kept was of
    label: str = ""  # the processes' name on the host (comm, 15 bytes): that of a link to the kernel in `notify_dir`
    rescued: Path | None = None  # another gaol of the same owner, where the home would be: there is none, then


def tables(jail: Jail) -> Identities:
    """The jail's ids."""
    owner = jail.owner
    if jail.home is None and 0 in (owner.uid, owner.gid):
        return identities(jail.ids)
    gids = (owner.gid, *(gid for gid in owner.groups if gid != owner.gid))
    found = identities(jail.ids, owner.uid, gids, squashed=jail.home is not None and bool(jail.home.squashed))
    return found if jail.home else replace(found, home=None)


def configuration(
    jail: Jail,
    skeleton: Path,
    home: str,
    *,
    limits: Iterable[dict[str, Any]],
    resources: dict[str, Any],
    filter_program: str | None,
    huge_pages: bool,
) -> dict[str, Any]:
    """The jail as config.json of an OCI bundle (opencontainers/runtime-spec, crun's `idmap` mount option).

    `home` is where crun finds the home, if the jail has one; `filter_program` is seccomp_program.encoded();
    `resources` is what the host's control groups want beside limits; `huge_pages` says whether the host's tmpfs knows of them.
    """
    ids = tables(jail)
    groups = () if jail.home is None else jail.owner.groups
    return {
        "ociVersion": "1.0.2",
        # crun takes the compiled filter if it knows of this, and else the one described below.
        "annotations": {"run.oci.seccomp_bpf_data": filter_program} if filter_program else {},
        "process": {
            "user": {
                "uid": 0,
                "gid": 0,
                "umask": 0,  # a machine's process chooses modes itself; ours must not take bits away
                "additionalGids": [gid for gid in groups if gid],
            },
            "args": [f"/host/{jail.label}" if jail.label else f"/{KERNEL}", *jail.arguments],
            "env": ["TMPDIR=/dev/shm"],
            "cwd": "/",
            "capabilities": {kind: list(CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "rlimits": list(limits),
            "noNewPrivileges": True,
            "oomScoreAdj": OOM_SCORE,
        },
        "root": {"path": str(skeleton), "readonly": True},
        "mounts": _mounts(jail, home, ids, huge_pages=huge_pages),
        "linux": {
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "uidMappings": _oci_map(ids.namespace.uids),
            "gidMappings": _oci_map(ids.namespace.gids),
            "cgroupsPath": f"/{cgroup.relative(jail.cgroup)}",
            "resources": _resources(jail) | resources,
            "seccomp": seccomp.filter_(),
            "maskedPaths": [f"/proc/{name}" for name in _MASKED],
            "readonlyPaths": [f"/proc/{name}" for name in _READONLY],
        },
        # The runtime's own `sysctl` takes none of user namespaces (crun 1.8 to 1.29). This takes 0.4 ms.
        "hooks": {"createContainer": [{"path": str(jail.guest / CLOSE_NAMESPACE)}]},
    }


def _mounts(jail: Jail, home: str, ids: Identities, *, huge_pages: bool) -> list[dict[str, Any]]:
    shm = jail.memory + _SHM_SLACK
    # For where the kernel asks for them: all of its memory in huge pages would start faster still, and hold more.
    huge = ("huge=advise",) if huge_pages else ()
    mounts = [
        _mount("proc", "/proc", "proc", "nosuid", "nodev", "noexec"),
        _tmpfs("/dev", "noexec", "mode=755", "size=64k", "nr_inodes=32"),
        _tmpfs("/dev/shm", "mode=700", f"size={shm}", "nr_inodes=64", *huge),  # noqa: S108 - the jail's
        _tmpfs("/run", "noexec", "mode=700", "size=64k", "nr_inodes=32"),
        _tree(jail.gaol, "/gaol", ids.gaol),
        _bind(jail.config, "/config", "ro", "noexec"),
        _bind(jail.kernel, f"/{KERNEL}", "ro"),
        _bind(jail.notify_dir, "/host", "ro", "noexec"),
    ]
    mounts += [_bind((jail.earlier or jail.guest) / name, f"/uml/{name}", "ro", "noexec") for name in ("bin", "etc", "lib")]
    if jail.home is not None:
        mounts.append(_tree(home, "/home", ids.home))
    elif jail.rescued is not None:
        mounts.append(_tree(jail.rescued, "/home", ids.gaol))
    return mounts


def _mount(kind: str, target: str, source: str, *options: str) -> dict[str, Any]:
    return {"type": kind, "destination": target, "source": source, "options": list(options)}


def _tmpfs(target: str, *options: str) -> dict[str, Any]:
    return _mount("tmpfs", target, "tmpfs", "nosuid", "nodev", *options)


def _bind(source: Path | str, target: str, *options: str) -> dict[str, Any]:
    # Not recursive: what the host mounts below a home or a gaol is not the machine's.
    return _mount("bind", target, str(source), "bind", "private", "nosuid", "nodev", *options)


def _tree(source: Path | str, target: str, maps: Maps | None) -> dict[str, Any]:
    """A writable tree of the machine's."""
    if maps is None:
        return _bind(source, target, "rw", "noexec")
    # crun (seen with 1.8.1) sets the plain flags on no mount that it maps ids of, but does set the recursive ones.
    return _bind(source, target, "rw", "noexec", "rnosuid", "rnodev", "rnoexec", _idmap(maps))


def _idmap(maps: Maps) -> str:
    def text(table: Iterable[Mapping]) -> str:
        return "#".join(f"{entry.inside}-{entry.outside}-{entry.count}" for entry in table)

    return f"idmap=uids={text(maps.uids)};gids={text(maps.gids)}"


def _oci_map(table: Iterable[Mapping]) -> list[dict[str, int]]:
    return [{"containerID": entry.inside, "hostID": entry.outside, "size": entry.count} for entry in table]


def _resources(jail: Jail) -> dict[str, Any]:
    memory = jail.memory + jail.overhead
    cpu: dict[str, Any] = {}
    if jail.cpus is not None:
        cpu |= {"period": 100_000, "quota": max(1_000, round(jail.cpus * 100_000))}  # microseconds
    resources: dict[str, Any] = {
        "memory": {"limit": memory, "swap": memory},  # `swap` counts memory and swap together: no swap
        "pids": {"limit": jail.pids},
    }
    if cpu:
        resources["cpu"] = cpu
    return resources


def resource_limits(wanted: dict[str, int], hard: dict[str, int]) -> list[dict[str, Any]]:
    """RLIMITs that can be set: nobody without CAP_SYS_RESOURCE may raise a hard limit, so the lower value holds."""

    def lower(value: int, limit: int) -> int:
        return value if limit < 0 else min(value, limit)  # RLIM_INFINITY is -1 here

    values = ((name, lower(value, hard[name])) for name, value in wanted.items())
    return [{"type": name, "soft": value, "hard": value} for name, value in values]
