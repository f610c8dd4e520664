"""What machines' files may take: whether this store can limit it, and the limits."""

from __future__ import annotations

import logging
from pathlib import Path

from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs
from gaoler.machines import ceilings
from gaoler.machines.record import Record
from gaoler.machines.request import Request, held
from gaoler.store.paths import Paths

_COUNTING = 60.0
"""Seconds that a new machine waits for full quotas to have counted the store, once, after they were turned on."""
_log = logging.getLogger(__name__)


class Quotas:
    """Of one store."""

    def __init__(self, configuration: Configuration, paths: Paths) -> None:
        self._configuration = configuration
        self._paths = paths
        self._without: GaolerError | None = None
        """Why there are none."""

    def prepare(self) -> None:
        """Find out whether this host can, and is to, limit what machines' files take."""
        kind = self._configuration.store.quotas
        if kind == "off":
            self._without = Failed(
                "disks are not limited here",
                "store.quotas is off, set by the administrator",
                'store.quotas = "simple", in /etc/gaoler/gaoler.toml',
            )
            return
        try:
            btrfs.enable_quotas(self._paths.store, kind)
            self._without = None
        except GaolerError as error:
            if self._without is None:
                _log.warning("machines' disks are not limited: %s", error)
            self._without = error

    def granted(self, request: Request) -> int | None:
        """How much a new machine's files may take; None for any amount. Raises GaolerError where a wish can't be kept."""
        if request.disk and self._without:
            self.prepare()  # it may have been the store's trouble at that time, and not the kernel's
        if request.disk and self._without and request.disk_asked:
            raise self._without
        return None if self._without else request.disk

    def held(self, of: Record) -> Record:
        """A machine's record within what is granted today; its disk as well, where disks are limited here."""
        now = held(self._configuration.limits, of)
        return now.with_(disk=of.disk) if self._without else now

    def limit(self, of: Record, gaol: Path) -> None:
        """Let a subvolume that is, or becomes, a machine's gaol hold no more than its record says.

        And its owner no more in all than their machines may: what a gaol has written outlives it in snapshots and clones,
        and each that comes after has a limit of its own.
        """
        self._limit(gaol, of.owner, of.disk, of)

    def limit_coming(self, owner: Account, tree: Path) -> None:
        """Let a subvolume that an owner's machine is being made of hold no more than one of theirs may."""
        self._limit(tree, owner, int(limit_of(self._configuration.limits, owner, "disk").value) or None)

    def _limit(self, tree: Path, owner: Account, disk: int | None, of: Record | None = None) -> None:
        one, machines = (limit_of(self._configuration.limits, owner, key).value for key in ("disk", "machines"))
        if self._without:
            return
        if btrfs.quotas(tree) is None:  # an administrator has turned them off since
            self.prepare()
        if btrfs.quotas(tree) == "full":
            if disk:
                btrfs.wait_counted(tree, _COUNTING)
                btrfs.set_limit(tree, disk + (self._shared(of) if of else 0))
            return
        if disk:
            btrfs.set_limit(tree, disk)
        if owner.uid:
            everybody = ceilings.disk_of_all(self._configuration)
            btrfs.charge(tree, owner.quota, int(one * machines) if one else None, everybody)

    def _shared(self, of: Record) -> int:
        """Bytes that a machine has of its base, which full quotas count too."""
        base = self._paths.generations / of.base / (of.generation or "")
        counted = btrfs.quota(base) if of.generation and btrfs.is_subvolume(base) else None
        return counted.used if counted else 0
