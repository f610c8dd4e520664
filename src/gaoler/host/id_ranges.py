"""Which ranges of host ids others use: subordinate ids, systemd's and sssd's; and keeping one of our own off their hands.

Ranges are pairs of the first id and how many there are.
"""

from __future__ import annotations

import configparser
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gaoler import files
from gaoler.errors import Failed

OWNER = "gaoler"
"""Whose our entries are in subuid and subgid. No account may be called so: it could give itself what machines have."""
TABLES = ("etc/subuid", "etc/subgid")
CHOSEN = (2_000_289_792, 147_062_784)
"""For new installations: the multiples of a machine's 131072 between the last id that sssd makes of SIDs by default
(2,000,200,000, sssd-ldap(5)) and the "foreign" ids that systemd keeps from 0x7FFE0000 on. 1122 machines."""
SYSTEMD = (("what systemd-nspawn picks from", 0x80000, 0x6FF80000), ("systemd's foreign ids", 0x7FFE0000, 0x10000))
"""UIDS-GIDS.md of systemd. It looks whether an account has an id, and into no table: only a range beside its own is safe."""
_SSSD = (200_000, 2_000_200_000)
"""ldap_idmap_range_min and ldap_idmap_range_max by default."""


@dataclass(frozen=True)
class Use:
    """`first` to `first + count - 1` are `whose`."""

    whose: str
    first: int
    count: int

    def overlaps(self, first: int, count: int) -> bool:
        return self.first < first + count and first < self.first + self.count

    def __str__(self) -> str:
        return f"{self.whose} ({self.first} to {self.first + self.count - 1})"


def given(first: int, count: int, root: Path = Path("/")) -> list[Use]:
    """What this host gives to others of a range: tables of subordinate ids, accounts and groups in files, sssd's domains."""
    found = [use for use in (*_tables(root), *_accounts(root), *_sssd(root)) if use.overlaps(first, count)]
    return list(dict.fromkeys(found))


def near(first: int, count: int) -> list[Use]:
    """What of a range systemd may pick for containers some day."""
    return [use for use in (Use(*one) for one in SYSTEMD) if use.overlaps(first, count)]


def reserved(first: int, count: int, root: Path = Path("/")) -> bool:
    """Whether the tables keep a range off others' hands."""
    return all(f"{OWNER}:{first}:{count}" in _lines(root / table) for table in TABLES)


def reserve(first: int, count: int, root: Path = Path("/")) -> None:
    """Add it to the tables, so that useradd gives none of it to anybody. Raises Failed where somebody has it."""
    if any(line.split(":")[0] == OWNER for line in _lines(root / "etc/passwd")):
        why = f"subordinate ids of machines would be that account's: {OWNER} in /etc/passwd"
        raise Failed("can't reserve the ids of machines", why, "getent passwd gaoler")
    if taken := given(first, count, root):
        why = f"{first} to {first + count - 1} overlaps {taken[0]}"
        raise Failed("can't reserve the ids of machines", why, "ids.first = 2000289792, in /etc/gaoler/gaoler.toml")
    for table in TABLES:
        _change(root, table, add=f"{OWNER}:{first}:{count}")


def release(first: int, count: int, root: Path = Path("/")) -> None:
    """Take it out of the tables again."""
    for table in TABLES:
        if (root / table).exists():
            _change(root, table, drop=f"{OWNER}:{first}:{count}")


def _change(root: Path, table: str, add: str | None = None, drop: str | None = None) -> None:
    path = root / table
    with open(root / "etc/.pwd.lock", "w") as lock:  # what useradd and its like hold, by lckpwdf(3)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        before = _lines(path)
        after = [line for line in before if line not in (add, drop)] + ([add] if add else [])
        if after != before:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            files.replace(path, "".join(f"{line}\n" for line in after).encode(), mode=mode, durable=True)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []


def _tables(root: Path) -> Iterator[Use]:
    for table in TABLES:
        for line in _lines(root / table):
            name, _, rest = line.partition(":")
            start, _, count = rest.partition(":")
            if name != OWNER and start.isdigit() and count.isdigit():
                yield Use(f"{name}'s in /{table}", int(start), int(count))


def _accounts(root: Path) -> Iterator[Use]:
    for table in ("etc/passwd", "etc/group"):
        for line in _lines(root / table):
            fields = line.split(":")
            if len(fields) > 2 and fields[2].isdigit():
                yield Use(f"{fields[0]}'s in /{table}", int(fields[2]), 1)


def _sssd(root: Path) -> Iterator[Use]:
    """Domains whose ids are made of SIDs. Where they are looked up in a directory nothing tells them without asking it."""
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    paths = [root / "etc/sssd/sssd.conf", *sorted((root / "etc/sssd/conf.d").glob("[!.]*.conf"))]
    try:
        settings.read([path for path in paths if os.access(path, os.R_OK)])
        for name in (name for name in settings.sections() if name.startswith("domain/")):
            domain = settings[name]
            if domain.getboolean("ldap_id_mapping", domain.get("id_provider") == "ad"):
                first = domain.getint("ldap_idmap_range_min", _SSSD[0])
                end = domain.getint("ldap_idmap_range_max", _SSSD[1])
                yield Use(f"sssd's {name}", first, end - first)
    except (configparser.Error, ValueError):
        return
