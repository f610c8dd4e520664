"""What of a host set-up can't install: looked at before the long steps, all that is missing told at once."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import cgroup

#: The oldest kernel with mapped ids in mounts of btrfs.
OLDEST = (5, 15)

ROOT = Path("/")


def check(*, loop: bool, tun: bool, root: Path = ROOT, release: str | None = None) -> str:
    """What the host is, in a few words; raises Failed with everything that it lacks, and what mends each.

    `loop`: the store is in a file; `tun`: machines have a network.
    """
    release = release or platform.release()
    lacking = list(_lacking(root, release, loop, tun))
    if lacking:
        whys, hints = zip(*lacking, strict=True)
        raise Failed("this host can't run machines", "; ".join(whys), "; ".join(dict.fromkeys(hints)))
    return f"Linux {release}, control groups {cgroup.host(root / 'sys/fs/cgroup').name}"


def _lacking(root: Path, release: str, loop: bool, tun: bool) -> Iterator[tuple[str, str]]:
    numbers = tuple(int(part) for part in release.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        yield f"Linux {release} maps no ids of mounts on btrfs", f"Linux {'.'.join(map(str, OLDEST))} or newer"
    devices = {"dev/net/tun": ("tun", tun), "dev/loop-control": ("loop", loop)}
    for path, (module, wanted) in devices.items():
        if wanted and (why := _refused(root / path)):
            yield f"/{path}: {why}", f"modprobe {module}; in a container: let it have /{path}" + _instead(module)
    namespaces = root / "proc/sys/user/max_user_namespaces"
    if namespaces.exists() and namespaces.read_text().strip() == "0":
        yield "user namespaces are switched off", "sysctl user.max_user_namespaces=65536"
    groups = root / "sys/fs/cgroup"
    if not groups.is_dir() or not os.access(groups, os.W_OK):  # what is mounted read-only is not writable for root either
        yield "/sys/fs/cgroup can't be written", "mount control groups; in a container: let it have its own, writable"


def _instead(module: str) -> str:
    return ", or name a [store] device" if module == "loop" else ""


def _refused(device: Path) -> str:
    """Why a device can't be opened; nothing where it can. Opening loads the module."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""
