"""The kernel's command line and the settings file of a machine. Pure: a record in, text out."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

from gaoler.errors import Failed
from gaoler.machines.record import Record
from gaoler.units import show_size

AGENT_DESCRIPTOR = 3
TAP_DESCRIPTOR = 4
UML_HZ = 100
_USUAL = 256 << 20
"""Bytes of memory that the kernel's own tables are made for at most: those of names, inodes and connections."""
_OWN_PROCESSES = 24
"""Of the host's, that the kernel needs for itself and not for programs: its own threads, helpers of four trees, dying stubs."""
HOME_MOUNTED = "HOME_MOUNTED=1"
"""The line of a machine's settings that says that it was started with its owner's home."""
RESCUED = "rescued"
"""The tree of a machine that is rescued, to mount(8)."""
_A_PROCESS = 640 << 10
"""Bytes of a machine's memory for each process it may have. One that does nothing but sleep takes 470 KiB, 180 of them set aside
for what the host spends on it. With as many as fit, no page of a program's file would stay: each is read again and again."""
_COMM = 15
"""Characters of a process's name (TASK_COMM_LEN without its end)."""
LENGTH_LIMIT = 4000
"""Bytes; UML's COMMAND_LINE_SIZE is 4096."""


def kernel_words(record: Record, *, network: bool) -> tuple[str, ...]:
    """The words after `linux` (docs/explanation/design.md, The kernel command line)."""
    owner = record.owner
    words = [
        f"mem={record.memory >> 20}M",
        f"stubs={processes(record)}",
        "umid=machine",
        "uml_dir=/run/",
        "mconsole=notify:/host/notify",
        "con0=null,fd:1",
        "con=null",
        "noreboot",
        f"seccomp={'on' if record.mode == 'seccomp' else 'off'}",
        f"lpj={loops_per_jiffy()}",
        "panic=-1",
        # Links that drivers would make by themselves, in every network namespace or once. Who wants one adds it.
        "fb_tunnels=none",
        "dummy.numdummies=0",
        "bonding.max_bonds=0",
        "ifb.numifbs=0",
        # Debian's docker.io, without systemd, would mount version 1 over a part of version 2 and take its controllers.
        "cgroup_no_v1=all",
        "initrd=/uml/lib/initramfs.cpio",
        "hostfs_tree=root:/gaol",
        "hostfs_tree=uml:/uml:ro",
        "hostfs_tree=config:/config:ro",
        f"hostsock={AGENT_DESCRIPTOR}",
    ]
    if record.memory > _USUAL:
        # As large as they are with that much: zeroed at each start they would cost what a machine's size is not to cost.
        words += ["dhash_entries=32768", "ihash_entries=16384", "thash_entries=4096"]
    if record.disk:
        words.append("hostfs_quota=root:/config/disk")
    if record.home:
        words.append(f"hostfs_tree=home:/home:owner={owner.uid}.{owner.gid}")
        words += ["hostfs_covered=home:/config/covered", f"GAOL_HOME={owner.home}"]
    elif record.rescues:
        words.append(f"hostfs_tree={RESCUED}:/home")
    if record.ephemeral:
        words.append("quiet")  # whose console nobody reads, but for errors; the rest takes 1.5 ms (bench/initcalls: stdio_init)
    if network:
        # gro=1: without it the driver drops what the host sends in frames larger than a packet.
        words.append(f"vec0:transport=tap,fd={TAP_DESCRIPTOR},mac={record.mac},gro=1")
    if sum(len(word) + 1 for word in words) > LENGTH_LIMIT or any(re.search(r"[\s\0\"]", word) for word in words):
        raise Failed("the machine can't be described to its kernel", f"home directory {owner.home!r}", "gaol up NAME --no-home")
    return tuple(words)


def label(record: Record) -> str:
    """OWNER:NAME for the host's ps, short as the kernel keeps it, and nothing in it that a terminal would take for its own."""
    owner, name = (re.sub(r"[^A-Za-z0-9._@+-]", "?", part) for part in (record.owner.name, record.name))
    room = _COMM - 1 - len(name)
    return f"{owner[: max(room, _COMM // 2)]}:{name}"[:_COMM]


def processes(record: Record) -> int:
    """How many programs of a machine there may be: as its limits allow, and as its memory has room for while they run."""
    return min(record.pids - _OWN_PROCESSES, record.memory // _A_PROCESS)


@cache
def loops_per_jiffy() -> int:
    """The delay loop's calibration, which would take UML most of its start: the host's own, at UML's clock rate.

    BogoMIPS is loops per second / 500000 (kernel: init/calibrate.c).
    """
    found = re.search(r"^bogomips\s*:\s*([0-9.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE | re.IGNORECASE)
    bogomips = float(found[1]) if found else 4000.0
    return int(bogomips * 500_000 / UML_HZ)


def settings(record: Record, network: dict[str, str]) -> str:
    """The file /run/gaoler/machine inside: shell assignments for startenv."""
    owner = record.owner
    values = {
        "NAME": record.name,
        "OWNER": owner.name,
        "OWNER_UID": str(owner.uid),
        "OWNER_GID": str(owner.gid),
        "OWNER_GROUP": owner.group,
        "OWNER_GECOS": owner.gecos,
        "OWNER_HOME": owner.home,
        "OWNER_SHELL": owner.shell,
        "OWNER_GROUPS": " ".join(f"{name}:{gid}" for name, gid in owner.groups),
        "HOME_MOUNTED": "1" if record.home else "",
        "MEMORY": show_size(record.memory),
        "ONESHOT": "1" if record.ephemeral else "",
        "INIT": record.init,
        **network,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
