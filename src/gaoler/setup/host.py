"""What of a host set-up can't install: looked at before the long steps, all that is missing told at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host import cgroup, facilities


def check(*, loop: bool, tun: bool, root: Path = facilities.ROOT, release: str | None = None) -> str:
    """What the host is, in a few words; raises Failed with everything that it lacks, and what mends each.

    `loop`: the store is in a file; `tun`: machines have a network.
    """
    looks: list[Callable[[], str]] = [
        lambda: facilities.linux(release),
        lambda: facilities.device("/dev/net/tun", "tun", root) if tun else "",
        lambda: facilities.device("/dev/loop-control", "loop", root) if loop else "",
        lambda: facilities.namespaces(root),
        lambda: facilities.control_groups(root),
    ]
    lacking: list[Failed] = []
    for look in looks:
        try:
            look()
        except Failed as error:
            lacking.append(error)
    if lacking:
        hints = [error.hint for error in lacking]
        if any("loop" in error.what for error in lacking):
            hints.append("or name a [store] device")
        whys = "; ".join(f"{error.what}: {error.why}" for error in lacking)
        raise Failed("this host can't run machines", whys, "; ".join(dict.fromkeys(hints)))
    return f"{facilities.linux(release)}, control groups {cgroup.host(root / 'sys/fs/cgroup').name}"
