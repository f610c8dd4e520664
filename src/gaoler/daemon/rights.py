"""Who may do what. A method per right of the wire's table; nothing else in the daemon decides.

For whoever may not know of a machine the answer is the same whether it is there or not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gaoler.bases.generations import Bases
from gaoler.configuration.account import Account
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration
from gaoler.daemon.caller import Caller, account_of, uid_of
from gaoler.errors import LimitReached, NotAllowed, NotFound, Usage
from gaoler.machines.machine import Machine
from gaoler.machines.record import Share
from gaoler.machines.registry import Registry
from gaoler.machines.sharing import has_home
from gaoler.store.names import base_name, default_name
from gaoler.wire.which import Which


@dataclass(frozen=True)
class Admitted:
    """Somebody who may see a machine or go in: as its owner may, or as far as `share` lets a friend."""

    machine: Machine
    share: Share | None = None


class Rights:
    """The rights of everybody on this host. Safe to ask from any thread."""

    def __init__(
        self,
        configuration: Configuration,
        registry: Registry,
        bases: Bases,
        known: Callable[[Account], Account] = lambda account: account,
    ) -> None:
        """`known` gives an account the mark that tells it from others of its name and uid."""
        self._known = known
        self._configuration = configuration
        self._registry = registry
        self._bases = bases
        self._lock = threading.Lock()
        self._publishing: list[tuple[int, str]] = []
        """Users, and bases that they are making: these count before they can be seen."""

    # machines

    def owner(self, caller: Caller, which: Which) -> Account:
        """Whose machine is meant, or is to be made. Raises NotFound where the caller may not act for them."""
        try:
            uid = self._uid(caller, which)
            if uid == caller.uid:
                return caller.account
            if not (which.owner or "").startswith("#"):
                return self.account(uid)
        except NotFound:
            if not caller.admin:
                raise
            uid = -1
        if self._recorded(which, gone=True):
            raise NotAllowed(f"{which} can't be started", "its owner's account has gone", f"sudo gaol give '{which}' USER")
        if uid < 0:
            raise NotFound(f'no user "{which.owner}"', "this host has no account of that name", f"getent passwd {which.owner}")
        return self.account(uid)

    def account(self, uid: int) -> Account:
        """Who has that uid now. Raises NotAllowed for nobody."""
        return self._known(account_of(uid))

    def machine(self, caller: Caller, which: Which) -> Machine:
        """The machine that is meant, for its owner and administrators. Raises NotFound.

        An administrator's may be nobody's by now: those are found by what is recorded of their owners. `#UID` means them first,
        since whoever has the uid now has a login; a login means who has that now first.
        """
        if caller.admin and (which.owner or "").startswith("#") and (found := self._recorded(which, gone=True)):
            return found
        try:
            return self._current(caller, which)
        except NotFound:
            left = self._recorded(which, gone=False) if caller.admin and which.owner is not None else None
            if left is None:
                raise
            return left

    def _recorded(self, which: Which, *, gone: bool) -> Machine | None:
        """A machine by its recorded owner, one whose account has `gone` or else any. Raises Usage for more than one."""
        recorded = self._registry.recorded(which.owner or "", which.name)
        found = [machine for machine in recorded if self._registry.is_orphan(machine)] or ([] if gone else recorded)
        if len(found) > 1:
            told = ", ".join(f"{one.record.label} ({one.record.id})" for one in found)
            first = f"#{found[0].record.owner.uid}/{found[0].record.id}"
            raise Usage(f'"{which}" is more than one machine', told, f"gaol info '{first}'")
        return found[0] if found else None

    def _current(self, caller: Caller, which: Which) -> Machine:
        uid = self._uid(caller, which)
        name = which.name if which.name is not None else self.standard(uid, which.owner or caller.account.name)
        machine = self._registry.get(uid, name)
        if machine is None:
            raise self._no_machine(uid, name, which.owner)
        return machine

    def inside(self, caller: Caller, which: Which, to: str) -> Machine:
        """The same, for what comes near its owner's home. Raises NotFound, NotAllowed."""
        machine = self.machine(caller, which)
        if caller.uid != 0 and (caller.uid != machine.record.owner.uid or self._registry.is_orphan(machine)):
            raise NotAllowed(f"you may not {to}", "their home is in it", "sudo gaol ls --all")
        return machine

    def seen(self, caller: Caller, which: Which) -> Admitted:
        """The machine that is meant, also for those whom it is shared with. Raises NotFound."""
        return self._as_friend(caller, which) or Admitted(self.machine(caller, which))

    def entered(self, caller: Caller, which: Which, to: str) -> Admitted:
        """The same, for what runs in it. Raises NotFound, NotAllowed."""
        friend = self._as_friend(caller, which)
        if friend is None:
            return Admitted(self.inside(caller, which, to))
        if friend.share and not friend.share.home and has_home(friend.machine, self._registry.jailer):
            why = f"{which.owner}'s home directory is in it now, and it was shared without"
            raise NotAllowed(f"you may not {to}", why, "gaol ls")
        return friend

    def shared(self, caller: Caller) -> list[Admitted]:
        """Other people's machines that are shared with the caller."""
        return [Admitted(machine, share) for machine, share in self._registry.shared(caller.account)]

    def _as_friend(self, caller: Caller, which: Which) -> Admitted | None:
        """A share must be asked for by OWNER/NAME: nobody has another's machine for their own by mistake."""
        of = (which.owner, which.name)
        return next((one for one in self.shared(caller) if (one.machine.record.owner.name, one.machine.record.name) == of), None)

    def anybodys(self, caller: Caller, which: Which, to: str) -> Machine:
        """The same, for what administrators alone may do. Raises NotAllowed, NotFound."""
        self.administrator(caller, to)
        return self.machine(caller, which)

    def some(self, caller: Caller, everybody: bool, to: str) -> list[Machine]:
        """The caller's machines, or everybody's. Raises NotAllowed."""
        if everybody:
            self.administrator(caller, to)
            return self._registry.all()
        return self._registry.of(caller.uid)

    def administrator(self, caller: Caller, to: str) -> None:
        """Raises NotAllowed."""
        if not caller.admin:
            raise NotAllowed(f"you may not {to}", "that is for administrators", "gaol --help")

    def root(self, caller: Caller, to: str) -> None:
        """Raises NotAllowed."""
        if caller.uid != 0:
            raise NotAllowed(f"you may not {to}", "that is for root: everybody's files pass through", "sudo gaol store --help")

    def standard(self, uid: int, login: str) -> str:
        """What a machine is called that is not named: as the only one its owner has, or after them."""
        own = [machine for machine in self._registry.of(uid) if not machine.record.ephemeral]
        return own[0].record.name if len(own) == 1 else default_name(login)

    def _uid(self, caller: Caller, which: Which) -> int:
        if which.owner is None or which.owner == caller.account.name:
            return caller.uid
        unseen = NotFound(f'no machine "{str(which)[:80]}"', "there is none that you may see", "gaol ls")
        if not caller.admin:
            raise unseen
        if which.owner.startswith("#") and which.owner[1:].isdecimal():
            return int(which.owner[1:])
        try:
            return uid_of(which.owner)
        except NotFound:
            raise unseen from None

    def _no_machine(self, uid: int, name: str, owner: str | None) -> NotFound:
        there = ", ".join(machine.record.name for machine in self._registry.of(uid) if not machine.record.ephemeral)
        if owner:
            return NotFound(f'no machine "{name[:40]}" of {owner}\'s', f"there are: {there or 'none'}", "gaol ls --all")
        return NotFound(
            f'no machine "{name[:40]}"', f"you have: {there or 'none'}", "gaol ls"
        )  # not up: who asks means one that is there

    # bases: administrators all, users those that they published from machines of their own. How many that may be is a limit
    # like others (`limits.bases`), and none unless an administrator grants it: a teacher gets a course's machine to a class
    # without becoming root over everybody's.

    def base(self, caller: Caller, name: str | None, to: str) -> None:
        """To change a base; None: all of them. Raises NotAllowed, the same for no base and for another's.

        Whoever published it may, for as long as an administrator grants them to publish.
        """
        granted = limit_of(self._configuration.limits, caller.account, "bases").value
        if name is None or not granted or not self._owns(caller, name):
            self.administrator(caller, to)

    def knows_users_of(self, caller: Caller, name: str) -> bool:
        """Whether somebody may see who has machines of a base: whoever may change it."""
        try:
            self.base(caller, name, "see who has machines of it")
        except NotAllowed:
            return False
        return True

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
            raise NotAllowed("you may not publish a base", f"{limit.setting} is 0, set by the administrator", "gaol base ls")
        if self._owns(caller, name):
            return
        reserved = name in self._configuration.base or name == self._configuration.machines.base
        if reserved or self._bases.is_taken(name):
            raise NotAllowed(f'"{name}" is not yours', "a base of that name is for others to change", "gaol base ls")
        made = {base.name for base in self._bases.all() if self._owns(caller, base.name)}
        making = {base for uid, base in self._publishing if uid == caller.account.uid}
        own = sorted(made | making)
        if len(own) >= limit.value:
            raise LimitReached(
                f"you have published {', '.join(own)}",
                f"{limit.setting} is {limit.value:g}, set by the administrator",
                "gaol base ls",
                limit="bases",
            )

    def _owns(self, caller: Caller, name: str) -> bool:
        recipe, who = self._bases.recipe(base_name(name)), caller.account
        if recipe is None or (recipe.publisher, recipe.publisher_uid) != (who.name, who.uid):
            return False
        return recipe.publisher_mark in ("", who.mark)  # none where it was published before there were marks
