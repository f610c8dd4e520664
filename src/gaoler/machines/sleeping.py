"""Sleep: a machine's memory goes to the store, all else that it had of the host comes back, and it goes on when it is needed.

The order keeps every moment at which we may be killed harmless. To sleep: while the machine stands still its files are kept
as they are and its memory is written; the note; the record; then it is ended. Killed before, we leave a machine that goes
on. To wake: `begun` is noted, the machine goes on, and is taken note of; what was kept goes last. Killed in between, we
leave a machine that runs, or one that sleeps, and whose files are put back before it goes on (asleep).
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from gaoler import background
from gaoler.errors import Failed, GaolerError
from gaoler.host import btrfs, cgroup, image
from gaoler.machines import asleep, copies
from gaoler.machines.copies import Copies, Copy
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.machine import Machine
from gaoler.machines.registry import Registry
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions
from gaoler.machines.snapshots import Snapshots

_log = logging.getLogger(__name__)


class Sleeping:
    """Every method may be called from any thread."""

    def __init__(
        self, registry: Registry, jailer: Jailer, running: Running, sessions: Sessions, snapshots: Snapshots, copies: Copies
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._running = running
        self._sessions = sessions
        self._snapshots = snapshots
        self._copies = copies
        running.when_idle = self._nap
        running.knocking.wake = self.wake

    def sleep(self, machine: Machine) -> None:
        """Put a machine that runs to sleep; one that sleeps stays as it is. Raises GaolerError: it runs on then."""
        if machine.observed.asleep:
            return
        self._running.thaw(machine)
        copies.imaged(machine, f"gaol up {machine.record.name}")
        self._sessions.write_out(machine)  # what else would wait in its memory for as long as it sleeps
        with machine.locked(), ExitStack() as undo:
            self._registry.check_there(machine)
            live, of = copies.imaged(machine, f"gaol up {machine.record.name}"), machine.record
            if of.ephemeral:
                raise Failed(f"{of.name} can't sleep", "it is thrown away with its command", "gaol ls")
            paths = self._jailer.paths
            asleep.forget(paths, of.id)
            undo.callback(asleep.forget, paths, of.id)
            directory, tree = asleep.image(paths, of.id), asleep.tree(paths, of.id)
            with image.of(live.process) as found:
                self._copies.fill(directory, of, found)
                btrfs.snapshot(self._jailer.gaol(of), tree, readonly=True)  # which commits all of the store
                reach("sleep.stored")
                self._copies.note(directory, of, live)
                reach("sleep.noted")
                self._registry.want(machine, "asleep")
                undo.pop_all()
                reach("sleep.wanted")
                self._running.put_away(machine, live)

    def wake(self, machine: Machine) -> bool:
        """Have a machine that sleeps go on; False where it doesn't sleep. Raises GaolerError: it sleeps on then."""
        if machine.state != "asleep":
            return False
        with machine.lock:
            self._registry.check_there(machine)
            if not machine.observed.asleep:
                return machine.live is not None  # somebody else was faster
            of, paths = machine.record, self._jailer.paths
            copy = self._found(machine)
            if asleep.is_begun(paths, of.id):
                self._snapshots.put_back(machine, asleep.tree(paths, of.id))
            with background.meanwhile(cgroup.hurry):  # crun would wait for both, one after the other
                asleep.begin(paths, of.id)
            reach("wake.begun")
            try:
                self._copies.start(machine, copy)
            except BaseException:
                self._registry.want(machine, "asleep")
                self._running.rests(machine, copy.addresses)
                raise
            reach("wake.started")
            if machine.record.address != of.address:  # the network is another one than when it fell asleep
                self._sessions.become(machine)
            self._registry.want(machine, "running")
            reach("wake.noted")
            asleep.put_off(paths, of.id)
            background.begin(lambda: self._clear(of.id), "woke")
        return True

    def _clear(self, identity: str) -> None:
        try:
            asleep.clear(self._jailer.paths, identity)
        except (GaolerError, OSError) as error:
            _log.error("%s: what it slept on is not removed: %s", identity, error)

    def _found(self, machine: Machine) -> Copy:
        of = machine.record
        way, hint = "gaol down gives up what ran in it, and keeps its files", f"gaol down {of.name}"
        copy = copies.read(asleep.image(self._jailer.paths, of.id))
        if copy is None:
            raise Failed(f"{of.name} can't go on where it was", f"what it had in memory is not there any more; {way}", hint)
        self._copies.must_fit(of, copy, way, hint)
        return copy

    def _nap(self, machine: Machine) -> bool:
        """Put an idle machine to sleep, where the administrator likes that; False where it can't."""
        if self._registry.configuration.limits.idle_action != "sleep" or machine.record.ephemeral:
            return False
        try:
            self.sleep(machine)
        except GaolerError as error:
            _log.info("%s, idle, can't sleep: %s", machine.record.label, error)
            return False
        return True
