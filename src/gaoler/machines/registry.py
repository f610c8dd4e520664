"""Which machines there are: found by their owners, given a place, and their records kept on disk."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from gaoler import files
from gaoler.background import meanwhile
from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError, LimitReached, NotFound
from gaoler.machines import keys, observed, record
from gaoler.machines.jailing import IDS, Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.record import Record, Share

_log = logging.getLogger(__name__)


class NameTaken(Failed):
    """The owner has a machine of that name."""


class Registry:
    """All machines of one daemon. It does nothing to them; what does holds it."""

    def __init__(
        self,
        configuration: Configuration,
        jailer: Jailer,
        kept: Callable[[bool], None] = lambda _: None,
        has_gone: Callable[[Account], bool] = lambda _: False,
    ) -> None:
        """`kept` is told whether anybody has a machine, before the last one's record goes and after the first one's is there;
        `has_gone` says of an account whether it is no more, which may have a successor of the same uid.
        """
        self._kept = kept
        self.has_gone = has_gone
        self.configuration = configuration
        self.paths = jailer.paths
        self.jailer = jailer
        self._machines: dict[str, Machine] = {}
        self._lock = threading.Lock()
        self._next_slot = 0

    def all(self) -> list[Machine]:
        with self._lock:
            return sorted(self._machines.values(), key=lambda machine: (machine.record.owner.name, machine.record.name))

    def of(self, uid: int) -> list[Machine]:
        """Those of the account that has this uid now."""
        return [machine for machine in self.all() if machine.record.owner.uid == uid and not self.is_orphan(machine)]

    def is_orphan(self, machine: Machine) -> bool:
        """Whether its owner's account has gone."""
        return self.has_gone(machine.record.owner)

    def recorded(self, owner: str, name: str | None) -> list[Machine]:
        """Machines by what their records say, whoever has the uid now: a login or `#UID`, and a name or an identity."""
        return [
            machine
            for machine in self.all()
            if owner in (machine.record.owner.name, f"#{machine.record.owner.uid}")
            and name in (None, machine.record.name, machine.record.id)
            and not machine.record.ephemeral
        ]

    def get(self, uid: int, name: str) -> Machine | None:
        """A user's machine of that name; those of `run` have none that counts."""
        own = (machine for machine in self.of(uid) if machine.record.name == name and not machine.record.ephemeral)
        return next(own, None)

    def shared(self, account: Account) -> list[tuple[Machine, Share]]:
        """Other people's machines that are shared with somebody now, each with what was granted."""
        now = time.time()
        owned = (machine for machine in self.all() if not self.is_orphan(machine))
        everything = ((machine, share) for machine in owned for share in machine.record.shares)
        return [(machine, share) for machine, share in everything if share.holds(account, now) and not machine.record.ephemeral]

    # taking in and forgetting

    @contextmanager
    def added(self, owner: Account, name: str | None, describe: Callable[[str, int], Record]) -> Iterator[Machine]:
        """Take in a new machine that `describe` makes of an identity and a place of its own; one without a name is ephemeral.

        It is locked while its files are made: who finds it meanwhile waits. When that fails it is forgotten.
        Raises LimitReached, and NameTaken where the owner has one of that name.
        """
        with self._lock:
            self._check_room(owner, name)
            identity = secrets.token_hex(6)
            machine = Machine(describe(identity, self._free_slot()))
            machine.lock.acquire()
            self._machines[identity] = machine
        try:
            yield machine
        except BaseException:
            machine.happen(observed.went)
            self.forget(machine)
            raise
        finally:
            machine.lock.release()
        self._note()

    def adopt(self, machine: Machine) -> None:
        """Take a machine in that was found at start-up."""
        with self._lock:
            self._machines[machine.record.id] = machine
            self._next_slot = max(self._next_slot, machine.record.slot + 1)
        self._note()

    def forget(self, machine: Machine) -> None:
        """Remove its record, and know it no longer."""
        self._note(without=machine)
        directory = self._record_path(machine.record).parent
        for name in ("record.json", "console.log", "console.log.1", *keys.FILES):
            (directory / name).unlink(missing_ok=True)
        try:
            directory.rmdir()  # which needs no descriptor, of which there may be none
        except FileNotFoundError:
            pass
        except OSError:
            if not machine.record.ephemeral:  # with what a daemon that was killed left half made there
                shutil.rmtree(directory, ignore_errors=True)
        with self._lock:
            self._machines.pop(machine.record.id, None)

    def _note(self, without: Machine | None = None) -> None:
        with self._lock:
            there = any(machine is not without and not machine.record.ephemeral for machine in self._machines.values())
        try:
            self._kept(there)
        except (GaolerError, OSError) as error:
            _log.error("%s", error)

    def has_room(self, owner: Account) -> bool:
        """Whether the owner may have another machine now."""
        with self._lock:
            try:
                self._check_room(owner, None)
            except LimitReached:
                return False
            return True

    def _check_room(self, owner: Account, name: str | None) -> None:
        own = [
            machine
            for machine in self._machines.values()
            if machine.record.owner.uid == owner.uid and not self.is_orphan(machine)
        ]
        if name and any(machine.record.name == name and not machine.record.ephemeral for machine in own):
            raise NameTaken(f'there is a machine "{name}" already', "", f"gaol up {name}")
        limit = limit_of(self.configuration.limits, owner, "machines")
        if owner.uid != 0 and not limit.value:
            who = "as for all accounts of services" if owner.is_service else "set by the administrator"
            raise LimitReached("you may have no machines", f"{limit.setting} is 0, {who}", "gaol ls", limit="machines")
        if owner.uid != 0 and len(own) >= limit.value:
            raise LimitReached(
                f"you have {len(own)} machines",
                f"{limit.setting} is {limit.value:g}, set by the administrator",
                "gaol ls",
                limit="machines",
            )

    def _slots(self) -> int:
        """How many places there are."""
        ids, network = self.configuration.ids.count // IDS, self.jailer.network.capacity
        return ids if network is None else min(ids, network)

    def _free_slot(self) -> int:
        """A place that is not taken, and was not lately: ids and addresses of the dead come back late."""
        taken = {machine.record.slot for machine in self._machines.values()}
        slots = self._slots()
        for step in range(slots):
            slot = (self._next_slot + step) % slots
            if slot not in taken:
                self._next_slot = slot + 1
                return slot
        raise LimitReached(
            "there is no room for another machine",
            f"the host ids of [ids] and the addresses of [network] suffice for {slots}",
            "gaol ls --all",
            limit="ids",
        )

    def settle_in(self, machine: Machine) -> None:
        """Give a machine that is about to start the addresses of the network as it is configured now, and a place that there is.

        Whoever holds its lock may. Raises Failed, LimitReached.
        """
        record, slot = machine.record, machine.record.slot
        with self._lock:
            if slot >= self._slots():
                slot = self._free_slot()
        addresses = self.jailer.network.addresses(record.id, slot)
        found = (addresses.address, addresses.address6) if record.network else (None, None)
        if (record.slot, record.address, record.address6) != (slot, *found):
            self.change(machine, slot=slot, address=found[0], address6=found[1])

    # records

    def check_there(self, machine: Machine) -> None:
        """To be asked by who holds its lock, for whom it may have been removed while he waited. Raises NotFound, Failed."""
        if machine.observed.gone or machine.record.wanted == "removed":
            raise NotFound(f'no machine "{machine.record.name}"', "it was removed meanwhile", "gaol ls")
        if not self.jailer.gaol(machine.record).is_dir():
            raise Failed(
                f"the files of machine {machine.record.name} are gone",
                "they were removed behind gaoler's back",
                f"gaol info {machine.record.name}",
            )

    def check_idle(self, machine: Machine) -> None:
        """For what must not happen while another machine has its files: to be asked by who holds its lock. Raises Failed."""
        if any(other.record.rescues == machine.record.id and not other.observed.gone for other in self.all()):
            name = machine.record.name
            raise Failed(f"{name} is being rescued", "a command or a shell in a machine of its base has its files", "gaol ls")

    def change(self, machine: Machine, **changes: object) -> None:
        """Change what is wanted of a machine, durably."""
        changed = machine.record.with_(**changes)
        self.save(changed)
        machine.record = changed

    def rename(self, machine: Machine, name: str) -> None:
        """Raises NameTaken."""
        with self._lock:
            self._check_name(machine, machine.record.owner, name)
            self.change(machine, name=name)

    def give(self, machine: Machine, owner: Account, name: str, **changes: object) -> None:
        """Make it another account's, `changes` with that. Raises NameTaken."""
        with self._lock:
            self._check_name(machine, owner, name)
            self.change(machine, owner=owner, name=name, **changes)

    def _check_name(self, machine: Machine, owner: Account, name: str) -> None:
        whose = (owner.uid, owner.mark)
        for other in self._machines.values():
            of = other.record
            if other is not machine and of.name == name and not of.ephemeral and (of.owner.uid, of.owner.mark) == whose:
                raise NameTaken(f'there is a machine "{name}" already', "one's machines have names of their own", "gaol ls")

    def want(self, machine: Machine, wanted: record.Wanted) -> None:
        if machine.record.wanted != wanted and not machine.observed.gone:
            self.change(machine, wanted=wanted)

    @contextmanager
    def wanting(self, machine: Machine, wanted: record.Wanted) -> Iterator[Future[None]]:
        """Want it from now on; it is on disk when the result is there, and no later than at the end. Raises Failed.

        For whoever holds its lock, and changes nothing else of the record meanwhile.
        """
        changed = machine.record.with_(wanted=wanted)
        same, machine.record = changed == machine.record, changed
        with meanwhile(lambda: None if same else self.save(changed)) as saved:
            yield saved

    def want_stopped(self, machine: Machine) -> None:
        """Not to be hindered by a store that is full or takes no writes: a later daemon will say it was running."""
        try:
            self.want(machine, "stopped")
        except Failed as error:
            _log.error("%s: stopped all the same: %s", machine.record.label, error)
            machine.record = machine.record.with_(wanted="stopped")

    def directory(self, of: Record) -> Path:
        """Where what belongs to a machine beside its record is kept, for as long as there is the machine."""
        return self._record_path(of).parent

    def _record_path(self, of: Record) -> Path:
        return self.jailer.runtime(of).record if of.ephemeral else self.paths.records / of.id / "record.json"

    def log_path(self, of: Record) -> Path:
        return self.jailer.runtime(of).root / "console.log" if of.ephemeral else self.paths.records / of.id / "console.log"

    def save(self, of: Record) -> None:
        path = self._record_path(of)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failed(f"can't write {path}", error.strerror or str(error), "gaol store info tells how full it is") from None
        files.write(path, record.encode(of), durable=not of.ephemeral)
