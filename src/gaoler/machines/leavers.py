"""Machines whose owners' accounts have gone: nobody's, until an administrator gives them to somebody, or their time is over."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress

from gaoler import background
from gaoler.configuration.account import Account
from gaoler.errors import Failed, GaolerError
from gaoler.host import libc
from gaoler.host.accounts import PASSWD
from gaoler.machines import keys
from gaoler.machines.accounts import Accounts
from gaoler.machines.copies import Copies
from gaoler.machines.lost_accounts import Borne
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.quotas import Quotas
from gaoler.machines.registry import Registry
from gaoler.machines.running import Running
from gaoler.machines.snapshots import Snapshots
from gaoler.store.names import machine_name

_PERIOD = 600.0
"""Seconds between looks at whose time is over."""
_log = logging.getLogger(__name__)


class Leavers:
    """Every method may be called from any thread."""

    def __init__(
        self,
        accounts: Accounts,
        registry: Registry,
        quotas: Quotas,
        running: Running,
        snapshots: Snapshots,
        copies: Copies,
        monitor: Monitor,
    ) -> None:
        self._accounts = accounts
        self._registry = registry
        self._quotas = quotas
        self._running = running
        self._snapshots = snapshots
        self._copies = copies
        self._monitor = monitor

    def start(self) -> None:
        """Go through what is there, and watch the host's account files from now on."""
        try:
            self._accounts.mend(self._borne())
        except GaolerError as error:  # of a store that takes no writes: the next daemon does it
            _log.error("%s", error)
        for machine in self._registry.all():
            try:
                owner = self._accounts.adopt(machine.record.owner)
                if owner != machine.record.owner:
                    self._registry.change(machine, owner=owner)
            except GaolerError as error:  # of a store that takes no writes: it is nobody's until it does
                _log.error("%s", error)
        self._accounts.look()
        self._accounts.forget({machine.record.owner.mark for machine in self._registry.all()})
        try:
            watched = libc.watch_directory(PASSWD.parent)
        except OSError as error:  # then they are looked at when somebody asks for something
            _log.warning("the host's accounts can't be watched: %s", error)
        else:
            self._monitor.watch(watched, lambda: self._changed(watched))
        self._turn()

    def _borne(self) -> Iterator[Borne]:
        """The marks of those who have machines, or are let into one."""
        for machine in self._registry.all():
            of = machine.record
            bearing = [
                (of.owner.mark, of.owner.uid, of.owner.name),
                *((share.mark, share.uid, share.name) for share in of.shares),
            ]
            yield from (Borne(mark, uid, name, of.created) for mark, uid, name in bearing if mark and uid)

    def give(self, machine: Machine, owner: Account, name: str | None = None) -> None:
        """Make a stopped machine somebody else's, files and snapshots of files. Raises Usage, NameTaken, NotFound, Failed.

        Whoever had it may have left something running in it, which must not find the new owner's home: that comes in when they
        say so. Nor do the former owner's keys let anybody in by gaoler.
        """
        record = machine.record
        name = machine_name(name or record.name)
        with machine.locked():
            self._registry.check_there(machine)
            if machine.live or machine.observed.asleep:
                does = "is running" if machine.live else "sleeps"
                raise Failed(f"{record.name} {does}", "it is given away when it has stopped", "gaol down OWNER/NAME")
            for tag in self._snapshots.tags(machine):
                self._copies.forget(machine, tag)  # what the former owner's programs had in mind, and their home in it
            self._registry.give(machine, owner, name, home=False, shares=(), autostart=False)
            for key in keys.FILES:
                (self._registry.directory(record) / key).unlink(missing_ok=True)
            self._quotas.limit(machine.record, self._registry.jailer.gaol(machine.record))

    def _changed(self, watched: int) -> None:
        with suppress(BlockingIOError):
            os.read(watched, 65536)
        self._accounts.look()

    def _turn(self) -> None:
        self._monitor.after(_PERIOD, self._turn)
        if self._registry.configuration.machines.orphans:
            background.begin(self._remove_old, "leavers")

    def _remove_old(self) -> None:
        kept = self._registry.configuration.machines.orphans
        for machine in self._registry.all():
            left = self._accounts.left(machine.record.owner) if self._registry.is_orphan(machine) else None
            if left and time.time() - left > kept:
                try:
                    self._running.remove(machine)
                except (GaolerError, OSError) as error:
                    _log.error("%s can't be removed: %s", machine.record.label, error)
                else:
                    _log.warning("%s removed: its owner has been gone for longer than machines.orphans", machine.record.label)
