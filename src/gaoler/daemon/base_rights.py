"""Who may change which base: administrators all, users those that they published from machines of their own.

How many a user may have is a limit like others (`limits.bases`), and none unless an administrator grants it: a teacher gets
his course's machine to a class without becoming root over everybody's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler.bases.generations import Bases
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.daemon.caller import Caller
from gaoler.errors import LimitReached, NotAllowed
from gaoler.store.names import base_name


class BaseRights:
    def __init__(self, configuration: Configuration, bases: Bases) -> None:
        self._configuration = configuration
        self._bases = bases
        self._lock = threading.Lock()
        self._publishing: list[tuple[int, str]] = []
        """Users, and bases that they are making: these count before they can be seen."""

    def may_change(self, caller: Caller, name: str, what: str) -> None:
        """Raises NotAllowed, the same for no base and for another's."""
        if not self._owns(caller, name):
            caller.must_be_admin(what)

    @contextmanager
    def publishing(self, caller: Caller, name: str) -> Iterator[None]:
        """While the caller makes, or makes anew, a base of that name from a machine. Raises NotAllowed, LimitReached."""
        uid = caller.account.uid
        with self._lock:
            self._may_publish(caller, name)
            self._publishing.append((uid, name))
        try:
            yield
        finally:
            with self._lock:
                self._publishing.remove((uid, name))

    def _may_publish(self, caller: Caller, name: str) -> None:
        if caller.admin:
            return
        limit = limit_of(self._configuration.limits, caller.account, "bases")
        if not limit.value:
            raise NotAllowed("you may not publish a base", f"{limit.setting} is 0, set by the administrator", "ask one")
        if self._owns(caller, name):
            return
        reserved = name in self._configuration.base or name == self._configuration.machines.base
        if reserved or self._bases.is_taken(name):
            raise NotAllowed(f'"{name}" is not yours', "a base of that name is for others to change", "take another name")
        made = {base.name for base in self._bases.all() if self._owns(caller, base.name)}
        making = {base for uid, base in self._publishing if uid == caller.account.uid}
        own = sorted(made | making)
        if len(own) >= limit.value:
            raise LimitReached(
                f"you have published {', '.join(own)}",
                f"{limit.setting} is {limit.value:g}, set by the administrator",
                f"gaol base rm {own[0]}",
                limit="bases",
            )

    def _owns(self, caller: Caller, name: str) -> bool:
        recipe = self._bases.recipe(base_name(name))
        return recipe is not None and recipe.owner == caller.account.name
