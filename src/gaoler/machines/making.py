"""New machines: a record, a place, and a gaol cloned from a base."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path

from gaoler import background
from gaoler.background import meanwhile
from gaoler.bases.generations import Bases
from gaoler.configuration.account import Account
from gaoler.errors import GaolerError, LimitReached
from gaoler.kernels import installed
from gaoler.machines import keys
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.quotas import Quotas
from gaoler.machines.record import Record
from gaoler.machines.registry import Registry
from gaoler.machines.request import Request, Wishes, complete
from gaoler.machines.spares import Spares
from gaoler.progress import Progress, Report, silent
from gaoler.store.names import machine_name

_log = logging.getLogger(__name__)


class Making:
    """Every method may be called from any thread."""

    def __init__(self, registry: Registry, jailer: Jailer, bases: Bases, quotas: Quotas, spares: Spares) -> None:
        self._registry = registry
        self._jailer = jailer
        self._bases = bases
        self._quotas = quotas
        self._spares = spares

    def completed(self, owner: Account, wishes: Wishes) -> Request:
        """What a new machine is to be, with what its base has for its machines. Raises Usage, LimitReached."""
        configuration = self._registry.configuration
        return complete(configuration, owner, wishes, self._bases.defaults(wishes.base or configuration.machines.base))

    def create(
        self,
        owner: Account,
        name: str | None,
        request: Request,
        *,
        populate: Callable[[Path], object] | None = None,
        report: Report = silent,
        spare: bool = False,
        origin: tuple[str, str | None] | None = None,
        rescues: str | None = None,
    ) -> Machine:
        """Make a machine, stopped, its gaol cloned from its base, or filled by `populate`. One without a name is thrown away.

        `origin` is the base and generation that `populate`'s files came from, which need not be here any more.

        Machines made ahead make way where a limit is reached, but for another `spare`. Raises NotFound, Usage, LimitReached,
        NameTaken, Failed.
        """
        base = None if origin else self._bases.find(request.base)
        of_base, generation = (base.name, base.generation) if base else origin or ("", None)
        kernel = installed.find(self._jailer.paths.kernels, request.kernel or "")
        disk = self._quotas.granted(request)
        if name is not None:
            machine_name(name)

        def describe(identity: str, slot: int) -> Record:
            addresses = self._jailer.network.addresses(identity, slot)
            return Record(
                **request.shape() | {"disk": disk},
                id=identity,
                name=name or f"run-{identity[:6]}",
                owner=owner,
                base=of_base,
                generation=generation,
                kernel=kernel.name if request.kernel else None,
                slot=slot,
                mac=addresses.mac,
                address=addresses.address if request.network else None,
                address6=addresses.address6 if request.network else None,
                created=time.time(),
                ephemeral=name is None,
                spare=spare,
                rescues=rescues,
                wanted="stopped",
            )

        def clone(gaol: Path) -> None:
            assert base is not None
            report(Progress(f"cloning {base.name}"))  # by now nothing stands in the way
            self._bases.clone(base, gaol)

        while True:
            try:
                return self._add(owner, name, describe, populate or clone)
            except LimitReached as reached:
                if spare or not self._spares.spend(owner.uid if reached.limit == "machines" else None):
                    raise

    def _add(
        self, owner: Account, name: str | None, describe: Callable[[str, int], Record], fill: Callable[[Path], object]
    ) -> Machine:
        with self._registry.added(owner, name, describe) as machine, ExitStack() as undo:
            undo.callback(self._jailer.delete_gaol, machine.record)
            with self._key_for(machine.record):  # beside what the disk takes
                self._registry.save(machine.record)
                reach("create.recorded")
                gaol = self._jailer.gaol(machine.record)
                fill(gaol)
            reach("create.cloned")
            self._quotas.limit(machine.record, gaol)
            undo.pop_all()
        return machine

    def _key_for(self, of: Record) -> AbstractContextManager[object]:
        """Make what lets its owner log in, meanwhile; where that fails, its start says so."""
        directory = self._registry.directory(of)

        def make() -> None:
            with suppress(GaolerError, OSError):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                keys.public(directory)

        return nullcontext() if of.ephemeral else meanwhile(make)

    def begin_ahead(self, base: str) -> None:
        """Throw away what an earlier daemon had cloned ahead, and begin with a clone of `base`."""
        try:
            self._bases.spares.clear()
        except (GaolerError, OSError) as error:
            _log.error("%s", error)
        self.clone_ahead(base)

    def clone_ahead(self, base: str) -> None:
        """Clone a base for the next machine, in the background."""

        def work() -> None:
            try:
                self._bases.clone_ahead(base)
            except (GaolerError, OSError) as error:
                _log.info("no clone of %s ahead: %s", base, error)

        background.begin(work, "clone ahead")
