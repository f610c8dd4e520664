"""What machines need of a host that set-up can't install: looked at by set-up before the long steps, and by the doctor.

Each look gives a few words on what is there, and raises Failed with what is missing and what mends it.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from gaoler.errors import Failed

OLDEST = (5, 15)
"""The oldest kernel with mapped ids in mounts of btrfs."""
MORE_NAMESPACES = "sysctl user.max_user_namespaces=65536"
ROOT = Path("/")


def linux(release: str | None = None) -> str:
    release = release or platform.release()
    numbers = tuple(int(part) for part in release.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Failed(
            f"Linux {release} maps no ids of mounts on btrfs",
            f"that came with {oldest}",
            f"uname -r; Linux {oldest} or newer is needed",
        )
    return f"Linux {release}"


def namespaces(root: Path = ROOT) -> str:
    limit = root / "proc/sys/user/max_user_namespaces"
    most = int(limit.read_text()) if limit.exists() else None
    if most == 0:
        raise Failed("user namespaces are switched off", "user.max_user_namespaces is 0", MORE_NAMESPACES)
    return "user namespaces" if most is None else f"user namespaces, {most} at most"


def device(path: str, module: str, root: Path = ROOT) -> str:
    """Opening loads the module, where it is there to be loaded."""
    try:
        os.close(os.open(root / path.lstrip("/"), os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        hint = f"modprobe {module}; in a container: let it have {path}"
        raise Failed(f"{path} can't be opened", error.strerror or str(error), hint) from None
    return path


def control_groups(root: Path = ROOT) -> str:
    groups = root / "sys/fs/cgroup"
    if not groups.is_dir() or not os.access(groups, os.W_OK):  # what is mounted read-only is not writable for root either
        hint = "mount control groups; in a container: let it have its own, writable"
        raise Failed("/sys/fs/cgroup can't be written", "machines have control groups of their own there", hint)
    return "/sys/fs/cgroup"
