"""What a machine is made with can be changed afterwards: at once where a running kernel need not know, else at its next start."""

from __future__ import annotations

import threading
from dataclasses import fields
from typing import Any

from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError, LimitReached, Usage
from gaoler.host import btrfs, cgroup
from gaoler.kernels import installed
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.request import Wishes, as_setting, complete
from gaoler.machines.running import Running
from gaoler.store.names import machine_name
from gaoler.units import show_duration, show_size

AT_ONCE = ("cpus", "disk", "ttl", "autostart")
"""What does not wait for the next start."""


class Changing:
    """Every method may be called from any thread."""

    def __init__(
        self, configuration: Configuration, registry: Registry, jailer: Jailer, quotas: Quotas, running: Running
    ) -> None:
        self._configuration = configuration
        self._registry = registry
        self._jailer = jailer
        self._quotas = quotas
        self._running = running
        self._one_by_one = threading.Lock()
        """Held while machines of the same owner are counted."""

    def change(self, machine: Machine, said: dict[str, Any]) -> tuple[str, ...]:
        """Change what was said, by the names of a record; 0 for `disk` and `ttl` lifts them. Returns what comes later.

        Raises Usage, LimitReached, NotFound, Failed; nothing has changed then.
        """
        if not said:
            raise Usage("nothing to change", "say what, for instance memory=1G", f"gaol set {machine.record.name} memory=1G")
        with machine.locked(), self._one_by_one:
            self._registry.check_there(machine)
            before = machine.record
            changes = self._checked(machine, {key: value for key, value in said.items() if key != "autostart"})
            if "autostart" in said:
                changes |= {"autostart": self._may_autostart(machine, said["autostart"])}
            different = {key: value for key, value in changes.items() if value != getattr(before, key)}
            if machine.observed.asleep and (later := [key for key in different if key not in AT_ONCE]):
                why = f"what sleeps in it goes on with the same {later[0]}"
                raise Failed(f"{before.name} sleeps", why, f"gaol down {before.name}")
            if different.get("kernel"):
                installed.find(self._jailer.paths.kernels, different["kernel"])  # or its next start would fail
            if "network" in different:
                addresses = self._jailer.network.addresses(before.id, before.slot)
                on = different["network"]
                different |= {"address": addresses.address if on else None, "address6": addresses.address6 if on else None}
            after = before.with_(**different)
            if "disk" in different:
                self._limit(after)
            self._registry.change(machine, **different)
            if machine.live and "cpus" in different:
                cgroup.limit_cpus(self._jailer.cgroup(after), after.cpus)
            if machine.live and "ttl" in different:
                self._running.retime(machine)
        names = {field.name for field in fields(Wishes)}
        return tuple(key for key in different if key in names and key not in AT_ONCE) if machine.live else ()

    def extend(self, machine: Machine, more: int) -> None:
        """Let a machine with a time to live run `more` seconds longer. Raises Failed, LimitReached."""
        if not machine.record.ttl:
            name = machine.record.name
            raise Failed(f"{name} has no time to live", "nothing stops it", f"gaol info {name}")
        self.change(machine, {"ttl": machine.record.ttl + more})

    def rename(self, machine: Machine, name: str) -> None:
        """Raises Usage, NameTaken, Failed where it runs: what runs has its name in its network and in itself."""
        machine_name(name)
        with machine.locked():
            self._registry.check_there(machine)
            if machine.live or machine.observed.asleep:
                own, does = machine.record.name, "is running" if machine.live else "sleeps"
                raise Failed(f"{own} {does}", "its name is in use, in it and on the network", f"gaol down {own}")
            self._registry.rename(machine, name)

    def _may_autostart(self, machine: Machine, wanted: bool) -> bool:
        owner = machine.record.owner
        others = [one for one in self._registry.of(owner.uid) if one.record.autostart and one is not machine]
        limit = limit_of(self._configuration.limits, owner, "autostart")
        if wanted and owner.uid and len(others) >= limit.value:
            names = ", ".join(one.record.name for one in others) or "none"
            why = f"{limit.setting} is {limit.value:g}, set by the administrator; there are: {names}"
            hint = f"gaol set {others[0].record.name} autostart=no" if others else "gaol ls"
            raise LimitReached("no further machine of yours starts with the host", why, hint, limit="autostart")
        return wanted

    def _limit(self, after: Record) -> None:
        gaol = self._jailer.gaol(after)
        if after.disk:
            self._quotas.limit(after, gaol)
        elif btrfs.quotas(gaol):
            btrfs.set_limit(gaol, None)

    def _checked(self, machine: Machine, said: dict[str, Any]) -> dict[str, Any]:
        owner = machine.record.owner
        wishes = {key: value for key, value in said.items() if not (key in ("disk", "ttl") and value == 0)}
        as_it_is = {"home": machine.record.home, "network": machine.record.network}
        try:
            wanted = complete(self._configuration, owner, Wishes(**as_it_is | wishes))
        except GaolerError as error:
            raise as_setting(error, f"gaol set {machine.record.name}") from None
        changes = {key: getattr(wanted, key) for key in wishes}
        for key, show in (("disk", show_size), ("ttl", show_duration)):
            if said.get(key) == 0:
                limit = limit_of(self._configuration.limits, owner, key)
                if limit.value:
                    why = f"{limit.setting} is {show(limit.value)}, set by the administrator"
                    hint = f"gaol set {machine.record.name} {key}={show(limit.value)}"
                    raise LimitReached(f"an unlimited {key} is too much", why, hint, limit=key)
                changes[key] = None
        return changes
