"""Restored instead of booted: an owner's further new machines go on from what their last one was when it had just come up.

When somebody makes a second machine of the same kind, an image of it is taken at the moment when it is ready and nobody has
been in it. The next one is a clone of that: its files from the snapshot, its kernel and daemons from memory. As with
any clone of a running machine, random numbers begin anew before anything runs, and it is told who it is before its owner
has it (cloning.py). It is of the same owner, account and groups, base, generation, kernel and limits, or it boots: no wall is
another one. What is kept is charged to its owner, as what a machine sleeps on is.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gaoler import background
from gaoler.background import meanwhile
from gaoler.bases.generations import Bases
from gaoler.configuration.account import Account
from gaoler.configuration.model import Machines
from gaoler.errors import Failed, GaolerError, LimitReached
from gaoler.host import btrfs, image
from gaoler.kernels import installed
from gaoler.machines import copies
from gaoler.machines.becoming import TOLD, as_another
from gaoler.machines.copies import Copies
from gaoler.machines.failpoints import reach
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live
from gaoler.machines.machine import Machine
from gaoler.machines.making import Making
from gaoler.machines.monitor import Monitor
from gaoler.machines.registry import NameTaken, Registry
from gaoler.machines.request import Request
from gaoler.machines.running import Running
from gaoler.machines.sessions import Sessions
from gaoler.machines.spares import Key

_UNUSED, _LOOK = 12 * 3600.0, 600.0
"""Seconds after which nobody is expected to make another one; between looks."""
_IMAGE, _FILES = "image", "files"
_log = logging.getLogger(__name__)

Whose = tuple[int, str]
"""An account: its uid, which another one may have had before, and its mark."""


@dataclass
class Template:
    key: Key
    directory: Path
    used: float
    """Of `time.monotonic()`."""

    @property
    def whose(self) -> Whose:
        return _whose(self.key.owner)

    @property
    def files(self) -> Path:
        return self.directory / _FILES


class Templates:
    """One of an owner. Every method may be called from any thread; none raises for lack of a template."""

    def __init__(
        self,
        registry: Registry,
        jailer: Jailer,
        bases: Bases,
        making: Making,
        running: Running,
        sessions: Sessions,
        kept: Copies,
        monitor: Monitor,
    ) -> None:
        self._registry = registry
        self._jailer = jailer
        self._bases = bases
        self._making = making
        self._running = running
        self._sessions = sessions
        self._copies = kept
        self._monitor = monitor
        self._lock = threading.Lock()
        self._templates: dict[Whose, Template] = {}
        self._last: dict[Whose, Key] = {}
        """What each owner's last new machine was."""
        self._looking = False

    @property
    def _settings(self) -> Machines:
        return self._registry.configuration.machines  # asked each time: a reload replaces them

    # going on from one

    def new(self, owner: Account, name: str, request: Request) -> Machine | None:
        """A new machine that goes on from the owner's template; None where none fits. Raises NameTaken, LimitReached."""
        key = self._key(owner, request)
        with self._lock:
            template = self._templates.get(_whose(owner))
            if template is None or template.key != key:
                return None
            template.used = time.monotonic()
        try:
            return self._grown(template, name)
        except (NameTaken, LimitReached):
            raise
        except (GaolerError, OSError, RuntimeError) as error:
            _log.warning("%s's new machine boots: %s", owner.name, error)
            self._drop(template)
            return None

    def _grown(self, template: Template, name: str) -> Machine:
        key = template.key
        copy = copies.read(template.directory / _IMAGE)
        if copy is None:
            raise Failed("the template can't be gone on from", f"nothing is noted in {template.directory}", "gaol doctor")
        machine = self._making.create(
            key.owner,
            name,
            key.request,
            populate=lambda gaol: btrfs.snapshot(template.files, gaol),
            origin=(key.request.base, key.generation),
        )
        try:
            self._copies.must_fit(machine.record, copy, "it boots", f"gaol up {name}")
            with machine.lock, self._copies.opened(replace(copy, told=TOLD)) as image:
                as_another(self._running, self._sessions, machine, image)
        except BaseException:
            self._running.remove(machine, force=True)
            raise
        return machine

    # making one

    def consider(self, machine: Machine, request: Request) -> None:
        """A new machine is ready: keep an image of it where its owner makes a second one like that, and nobody was in it."""
        owner, live = machine.record.owner, machine.live
        if not self._settings.ahead or machine.entered or live is None or not live.ready:
            return
        if request.init != "startenv" or request.mode != "seccomp" or machine.record.generation is None:
            return
        key = self._key(owner, request)
        with self._lock:
            again = self._last.get(_whose(owner)) == key
            self._last[_whose(owner)] = key
            there = self._templates.get(_whose(owner))
        if again and (there is None or there.key != key):
            try:
                self._take(machine, key, live)
            except (GaolerError, OSError, RuntimeError) as error:
                _log.info("no template of %s: %s", machine.record.id, error)

    def _take(self, machine: Machine, key: Key, live: Live) -> None:
        """The machine stands still while its memory is copied into the host's; it goes to the store in the background."""
        template = Template(key, self._jailer.paths.memory / secrets.token_hex(6), time.monotonic())
        template.directory.mkdir(mode=0o700)
        with machine.lock, ExitStack() as undo:
            undo.callback(self._delete, template)
            found = image.Image(*(os.memfd_create("image", os.MFD_CLOEXEC) for _ in range(2)))
            undo.callback(_close, found)
            gaol = self._jailer.gaol(machine.record)
            files = meanwhile(lambda: btrfs.snapshot(gaol, template.files, readonly=True))
            with image.of(live.process) as handed, files as cloned:
                copies.store(handed, found.memory, found.state, machine.record.memory)
                cloned.result()
            if machine.entered:
                return
            undo.pop_all()
        background.begin(lambda: self._keep(template, machine, live, found), "template")

    def _keep(self, template: Template, machine: Machine, live: Live, found: image.Image) -> None:
        try:
            self._copies.fill(template.directory / _IMAGE, machine.record, found)
            self._copies.note(template.directory / _IMAGE, machine.record, live)
            reach("template.kept")
        except (GaolerError, OSError) as error:
            _log.info("no template of %s: %s", machine.record.id, error)
            self._delete(template)
            _close(found)
            return
        with self._lock:
            former = self._templates.get(template.whose)
            self._templates[template.whose] = template
            looking, self._looking = self._looking, True
        _log.info("%s's next machine of that kind goes on from a template", template.key.owner.name)
        _close(found)  # which takes milliseconds
        if former:
            self._delete(former)
        if not looking:
            self._look_later()

    # the end of one

    def _look_later(self) -> None:
        self._monitor.after(_LOOK, lambda: background.begin(self._look, "drop"))  # what it removes takes time

    def _look(self) -> None:
        now, gone = time.monotonic(), self._registry.has_gone
        with self._lock:
            self._last = {whose: key for whose, key in self._last.items() if not gone(key.owner)}
            there = list(self._templates.values())
        stale = [template for template in there if now - template.used >= _UNUSED or gone(template.key.owner)]
        for template in stale:
            self._drop(template)
        with self._lock:
            self._looking = bool(self._templates)
            if not self._looking:
                return
        self._look_later()

    def _drop(self, template: Template) -> None:
        with self._lock:
            if self._templates.get(template.whose) is not template:
                return
            del self._templates[template.whose]
        background.begin(lambda: self._delete(template), "drop")

    def _delete(self, template: Template) -> None:
        for path in (template.directory / _IMAGE, template.files):
            with suppress(GaolerError, OSError):
                if path.exists():
                    btrfs.delete(path)
        with suppress(OSError):
            template.directory.rmdir()

    def _key(self, owner: Account, request: Request) -> Key:
        kernel = installed.find(self._jailer.paths.kernels, request.kernel or self._settings.kernel)
        return Key(owner, request, self._bases.find(request.base).generation, kernel.name)


def _whose(owner: Account) -> Whose:
    return owner.uid, owner.mark


def _close(found: image.Image) -> None:
    os.close(found.memory)
    os.close(found.state)
