"""How a machine comes to whoever asks: found or made, started, ready; and the short life of one that is thrown away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gaoler.configuration.account import Account
from gaoler.errors import Failed, GaolerError
from gaoler.machines import admission, command_line, readiness
from gaoler.machines.ahead import Ahead
from gaoler.machines.failpoints import reach
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.registry import NameTaken, Registry
from gaoler.machines.request import Request, Wishes, complete, show
from gaoler.machines.running import Running
from gaoler.machines.sessions import Command, Opened, Sessions
from gaoler.machines.sleeping import Sleeping
from gaoler.machines.templates import Templates
from gaoler.progress import Progress, Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Passing:
    """A machine of `run`, and the streams of its command, which are the caller's to close."""

    machine: Machine
    opened: Opened


class Arriving:
    """Every method may be called from any thread."""

    def __init__(
        self,
        registry: Registry,
        making: Making,
        running: Running,
        sleeping: Sleeping,
        sessions: Sessions,
        ahead: Ahead,
        templates: Templates,
    ) -> None:
        self._registry = registry
        self._making = making
        self._running = running
        self._sleeping = sleeping
        self._sessions = sessions
        self._ahead = ahead
        self._templates = templates
        self._configuration = registry.configuration

    def up(self, owner: Account, name: str, wishes: Wishes, report: Report) -> Machine:
        """Find the owner's machine of that name or make it, start it, and wait until it is ready. Raises GaolerError."""
        machine, new = self._found_or_made(owner, name, wishes, report)
        report(Progress("starting"))
        self._refresh_owner(machine, owner)
        self._running.thaw(machine)
        self._sleeping.wake(machine)
        self._running.start(machine)
        report(Progress("waiting until it is ready"))
        if not readiness.wait_ready(machine, self._configuration.machines.deadline):
            self._running.note(machine, readiness.lacking(machine))
        if new:
            self._templates.consider(machine, new)
        self._making.clone_ahead(machine.record.base)
        self._ahead.begin(owner, Wishes(), instead=False)
        return machine

    @contextmanager
    def passing(self, owner: Account, wishes: Wishes, command: Callable[[Machine], Command]) -> Iterator[Passing]:
        """A fresh machine with a command on its way in, that is gone when the caller is done with it.

        It is the one that was made ahead for exactly these wishes, or one that just starts: the command waits for its agent.
        Raises GaolerError.
        """
        with self._ahead.run_of(owner, wishes):
            waiting = self._ahead.take(owner, wishes)
            opened = self._opened(waiting, command) if waiting else None
            if waiting is not None and opened is not None:
                machine = waiting
            else:
                wanted = self._making.completed(owner, wishes)
                self._running.allotment.admit(admission.Wanted(owner, wanted.memory, "a machine", "gaol ls"))
                machine = self._making.create(owner, None, wanted)
            try:
                if opened is None:
                    opened = self._started(machine, command)
                self._running.give(machine)
                reach("run.given")
                yield Passing(machine, opened)
            except GaolerError as error:
                raise self._with_console(machine, error) from None
            finally:
                self._running.remove(machine, force=True)
                self._making.clone_ahead(machine.record.base)

    @contextmanager
    def rescuing(self, broken: Machine, command: Command) -> Iterator[Passing]:
        """A fresh machine of a stopped one's base with that one's files in it; it is gone when the caller is done with it.

        Raises GaolerError. That one does not start meanwhile.
        """
        of = broken.record
        with broken.locked():
            self._registry.check_there(broken)
            if broken.live is not None or broken.observed.asleep:
                state = "running" if broken.live else "asleep"
                raise Failed(f"{of.name} is {state}", "its own kernel has its files", f"gaol down {of.name}")
            self._registry.check_idle(broken)
            wanted = complete(self._configuration, of.owner, Wishes(base=self._base_of(broken), home=False, network=False))
            machine = self._making.create(of.owner, None, wanted, rescues=of.id)
        try:
            opened = self._started(machine, lambda _: _in_rescued(command))
            self._running.give(machine)
            yield Passing(machine, opened)
        except GaolerError as error:
            raise self._with_console(machine, error) from None
        finally:
            self._running.remove(machine, force=True)

    def _base_of(self, machine: Machine) -> str | None:
        """Its own, or the usual one where that is gone."""
        base = machine.record.base
        return base if (self._registry.paths.store / base).is_dir() else None

    def _opened(self, waiting: Machine, command: Callable[[Machine], Command]) -> Opened | None:
        """The command in a machine that was made ahead; None, and the machine is gone, where it has died meanwhile."""
        opened = None
        try:
            self._running.allotment.admit(admission.of_record(waiting.record), waiting)
            opened = self._sessions.open(waiting, command(waiting))
            if waiting.live and waiting.live.process.alive():
                return opened
            opened.close()
        except Failed as error:
            _log.info("%s, made ahead, is not used: %s", waiting.record.label, error)
        except BaseException:
            self._running.remove(waiting, force=True)
            raise
        self._running.remove(waiting, force=True)
        return None

    def _started(self, machine: Machine, command: Callable[[Machine], Command]) -> Opened:
        self._running.start(machine)
        if self._waits_for_address(machine):
            readiness.wait_agent(machine, self._configuration.machines.deadline)
        return self._sessions.open(machine, command(machine))

    def _found_or_made(self, owner: Account, name: str, wishes: Wishes, report: Report) -> tuple[Machine, Request | None]:
        """The machine, and what was wanted where it is a new one."""
        found = self._registry.get(owner.uid, name)
        while found is None:
            wanted = self._making.completed(owner, wishes)
            hint = admission.with_less(f"gaol up {name} --memory ", wanted.memory)
            self._running.allotment.admit(admission.Wanted(owner, wanted.memory, name, hint))
            try:
                machine = self._templates.new(owner, name, wanted)
                return machine or self._making.create(owner, name, wanted, report=report), wanted
            except NameTaken:  # its owner has asked twice at once
                found = self._registry.get(owner.uid, name)
        _must_fit(found, wishes)
        return found, None

    def _waits_for_address(self, machine: Machine) -> bool:
        """Whether its address comes later than its agent, so that a command must not be run at once."""
        of = machine.record
        return of.network and of.address is None and self._configuration.network.mode != "none"

    def _refresh_owner(self, machine: Machine, owner: Account) -> None:
        if machine.live is None and not machine.observed.asleep and machine.record.owner != owner:
            self._registry.change(machine, owner=owner)

    def _with_console(self, machine: Machine, error: GaolerError) -> GaolerError:
        """A machine that is thrown away takes its log with it: its last words go into the error."""
        lines = self._sessions.console_text(machine).strip().splitlines()
        said = f"; its console: {' | '.join(lines[-3:])[-300:]}" if lines else ""
        hint = error.hint if "gaol log" not in error.hint else "gaol doctor"
        return type(error)(error.what, f"{error.why}{said}", hint, error.code)


_RESCUE = f"""mkdir -p /mnt && mount -c -t hostfs -o nodev,nosuid {command_line.RESCUED} /mnt && cd /mnt || exit 125
exec "$@" """
_SHELL = ("sh", "-c", 'command -v bash >/dev/null && exec bash -l -c "cd /mnt; exec bash"; exec sh -l')
"""A login shell for its settings, which would go to root's home, and one that stays where it is."""


def _in_rescued(command: Command) -> Command:
    """In the directory where the rescued machine's files are."""
    return replace(command, arguments=("sh", "-c", _RESCUE, "sh", *(command.arguments or _SHELL)), login=False, directory=None)


def _must_fit(machine: Machine, wishes: Wishes) -> None:
    """A machine that is there is started as it was made: other wishes need another machine, and are told so. Raises Failed."""
    for key, wanted in wishes.said().items():
        there = getattr(machine.record, key)
        if wanted != there and not (key == "kernel" and there and wanted in there):
            name = machine.record.name
            raise Failed(
                f"{name} is there already, and its {key} is {show(key, there)}",
                "up starts it as it is",
                f"gaol set {name} {key}={show(key, wanted)}" if key != "base" else f"gaol up ANOTHER --base {wanted}",
            )
