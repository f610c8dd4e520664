"""Debian's packages of the programs that gaoler runs."""

from __future__ import annotations

_PACKAGES = {
    "btrfs": "btrfs-progs",
    "mkfs.btrfs": "btrfs-progs",
    "dnsmasq": "dnsmasq-base",
    "losetup": "mount",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
"""Where the two names differ."""

NEEDED = ("crun", "dnsmasq", "nft", "ssh-keygen", "rsync", "mkfs.btrfs")
"""What the daemon runs on every host; which package brings it is in setup's components, too."""


def package(program: str) -> str:
    return _PACKAGES.get(program, program)


def packages(programs: tuple[str, ...]) -> list[str]:
    """Without doubles, in order."""
    return list(dict.fromkeys(map(package, programs)))
