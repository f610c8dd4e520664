"""The methods of `org.gaoler`: a request and a caller in, the domain's work, a reply out."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gaoler.bases.sync import BaseSync
from gaoler.configuration.model import Configuration
from gaoler.daemon import administration, base_methods, doctor
from gaoler.daemon.caller import Caller, uid_of
from gaoler.daemon.metrics import Metrics
from gaoler.daemon.server import Answer, Conversation, Method
from gaoler.daemon.views import info_of, usage_of
from gaoler.errors import Failed, GaolerError, NotAllowed, NotFound, Usage
from gaoler.machines import readiness, sessions, snapshots
from gaoler.machines.lifecycle import Machines
from gaoler.machines.machine import Machine
from gaoler.machines.registry import NameTaken
from gaoler.machines.request import complete, show
from gaoler.store.names import default_name, machine_name
from gaoler.wire import messages
from gaoler.wire.framing import Closed

_LOOK_AGAIN = 2.0
"""Seconds between looks whether somebody who waits for a machine is still there."""
_DEATH = 1.0
"""Seconds for a machine's end to be noticed after its streams have ended."""


class Service:
    """Who may do what to which machine is decided here, and nowhere else."""

    def __init__(self, configuration: Configuration, machines: Machines, syncs: BaseSync) -> None:
        self.configuration = configuration
        self.machines = machines
        self.syncs = syncs
        self.metrics = Metrics(machines, syncs)

    def methods(self) -> dict[type[messages.Request], Method]:
        return {
            messages.Run: self.run,
            messages.Up: self.up,
            messages.Exec: self.exec,
            messages.List: self.list_all,
            messages.Inspect: self.inspect,
            messages.Top: self.top,
            messages.Log: self.log,
            messages.Down: self.down,
            messages.Remove: self.remove,
            messages.Wait: self.wait,
            messages.Ssh: self.ssh,
            messages.Snapshot: self.snapshot,
            messages.SnapshotRemove: self.snapshot_remove,
            messages.Restore: self.restore,
            messages.Clone: self.clone,
            messages.Doctor: lambda _, __: Answer({"checks": doctor.run(self.configuration)}),
            **administration.methods(self.configuration, self.machines, self.metrics),
            **base_methods.methods(self.machines, self.syncs),
        }

    # which machine

    def _own(self, caller: Caller, name: str | None, owner: str | None = None) -> Machine:
        """The machine that the caller means. Raises NotFound alike for one that is not there and one that is not his."""
        uid = caller.uid
        if owner and uid_if_allowed(caller, owner) is None:
            raise NotFound(f'no machine "{owner}/{name}"', "there is none that you may see", "gaol ls")
        if owner:
            uid = uid_of(owner)
        return self.machines.find(uid, name if name is not None else self._default(uid, caller), owner or "")

    def _default(self, uid: int, caller: Caller) -> str:
        """The only machine that one has, or the one named after oneself."""
        own = [machine for machine in self.machines.of(uid) if not machine.record.ephemeral]
        return own[0].record.name if len(own) == 1 else default_name(caller.account.name)

    def _info(self, machine: Machine) -> dict[str, Any]:
        return info_of(self.machines, machine)

    # machines

    def up(self, request: messages.Up, conversation: Conversation) -> Answer:
        caller = conversation.caller
        name = machine_name(request.name) if request.name is not None else self._default(caller.uid, caller)
        machine = self._found_or_made(name, request.spec, conversation)
        conversation.progress({"step": "starting"})
        self._refresh_owner(machine, caller)
        self.machines.start(machine)
        conversation.progress({"step": "waiting until it is ready"})
        if not readiness.wait_ready(machine, self.configuration.machines.deadline):
            readiness.give_up(self.machines, machine)
        self.machines.clone_ahead(machine.record.base)
        return Answer({"machine": self._info(machine)})

    def _found_or_made(self, name: str, spec: messages.Spec, conversation: Conversation) -> Machine:
        caller = conversation.caller
        with suppress(NotFound):
            return self._found(caller, name, spec)
        wanted = complete(self.configuration, caller.account, name, _with_home(caller, spec.model_dump()))
        conversation.progress({"step": f"cloning {wanted.base}"})
        try:
            return self.machines.create(caller.account, wanted)
        except NameTaken:  # its owner has asked twice at once
            return self._found(caller, name, spec)

    def _found(self, caller: Caller, name: str, spec: messages.Spec) -> Machine:
        machine = self.machines.find(caller.uid, name)
        self._must_fit(machine, spec)
        return machine

    def _must_fit(self, machine: Machine, spec: messages.Spec) -> None:
        """A machine that is there is started as it was made: other wishes need another machine, and are told so."""
        for key, wanted in spec.model_dump(exclude_defaults=True, exclude_none=True).items():
            there = getattr(machine.record, key)
            if wanted != there and not (key == "kernel" and there and wanted in there):
                name = machine.record.name
                raise Failed(
                    f"{name} is there already, and its {key} is {show(key, there)}",
                    "a machine keeps what it was made with",
                    f"gaol up {name} as it is, or gaol rm {name} first",
                )

    def _refresh_owner(self, machine: Machine, caller: Caller) -> None:
        if machine.live is None and machine.record.owner.uid == caller.uid and machine.record.owner != caller.account:
            self.machines.change(machine, owner=caller.account)

    def run(self, request: messages.Run, conversation: Conversation) -> Answer:
        caller = conversation.caller
        wanted = complete(self.configuration, caller.account, "run", _with_home(caller, request.spec.model_dump()))
        machine = self.machines.create(caller.account, wanted, ephemeral=True)
        try:
            deadline = self.configuration.machines.deadline
            self.machines.start(machine)
            if readiness.comes_with_its_address(self.machines, machine):
                readiness.wait_agent(machine, deadline)
            # The agent finds the command waiting at its socket when it comes up, which saves a turn through here.
            opened = sessions.open_session(self.machines, machine, _command(request.command, machine))
            try:
                conversation.tell({"session": machine.record.name}, opened.descriptors)
            finally:
                opened.close()
            present = conversation.present(deadline)  # his end of the connection is the machine's life
            if not machine.answered:
                readiness.wait_agent(machine, _DEATH)
            if present:
                conversation.present(None)
        except Closed:
            pass  # the caller has gone already; so does the machine
        except GaolerError as error:
            raise _with_console(self.machines, machine, error) from None
        finally:
            self.machines.remove(machine, force=True)
            self.machines.clone_ahead(machine.record.base)
        return Answer({"session": machine.record.name})

    def exec(self, request: messages.Exec, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name, request.owner)
        if request.owner and conversation.caller.uid not in (machine.record.owner.uid, 0):
            raise NotAllowed("you may not run commands in another's machine", "his home is in it", "ask root")
        name = machine.record.name
        if machine.live is None:
            raise Failed(f"{name} is not running", f"it is {machine.state}", f"gaol up {name}")
        readiness.wait_agent(machine, self.configuration.machines.deadline)
        opened = sessions.open_session(self.machines, machine, _command(request.command, machine))
        return Answer({}, opened.descriptors)

    def list_all(self, request: messages.List, conversation: Conversation) -> Answer:
        return Answer({"machines": [self._info(machine) for machine in self._seen(conversation.caller, request.all)]})

    def _seen(self, caller: Caller, everybody: bool) -> list[Machine]:
        if everybody:
            caller.must_be_admin("see everybody's machines")
            return self.machines.all()
        return self.machines.of(caller.uid)

    def inspect(self, request: messages.Inspect, conversation: Conversation) -> Answer:
        return Answer({"machine": self._info(self._own(conversation.caller, request.name, request.owner))})

    def top(self, request: messages.Top, conversation: Conversation) -> Answer:
        running = [machine for machine in self._seen(conversation.caller, request.all) if machine.live]
        return Answer({"usage": [usage for machine in running if (usage := usage_of(self.machines, machine))]})

    def log(self, request: messages.Log, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name, request.owner)
        return Answer({"text": sessions.console_text(self.machines, machine)})

    def down(self, request: messages.Down, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name, request.owner)
        self.machines.stop(machine, force=request.force)
        return Answer({"machine": self._info(machine)})

    def remove(self, request: messages.Remove, conversation: Conversation) -> Answer:
        self.machines.remove(self._own(conversation.caller, request.name, request.owner), force=request.force)
        return Answer({})

    def wait(self, request: messages.Wait, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name, request.owner)
        done: Callable[[], bool] = {
            "ready": lambda: machine.state == "ready" or (machine.live is None and machine.busy is None),
            "stopped": lambda: machine.live is None,
        }[request.until]
        deadline = None if request.timeout is None else time.monotonic() + request.timeout
        while not machine.wait(done, _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())):
            if not conversation.present():
                raise Closed("the caller has gone")
            if deadline is not None and time.monotonic() >= deadline:
                name, limit = machine.record.name, request.timeout
                raise Failed(f"{name} is not {request.until}", f"it is {machine.state}, after {limit:g} s", f"gaol log {name}")
        if request.until == "ready" and machine.state != "ready":
            raise Failed(f"{request.name} will not be ready", f"it is {machine.state}", f"gaol up {request.name}")
        return Answer({"machine": self._info(machine)})

    def ssh(self, request: messages.Ssh, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name)
        return Answer(sessions.ssh_details(self.machines, machine))

    # files as subvolumes

    def snapshot(self, request: messages.Snapshot, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name)
        note = self._write_out(machine)
        return Answer({"tag": snapshots.take(self.machines, machine, request.tag), **note})

    def _write_out(self, machine: Machine) -> dict[str, str]:
        """Have a running machine write out its files; a note for its owner where it does not."""
        try:
            if machine.live:
                sessions.write_out(self.machines, machine)
        except GaolerError as error:
            return {"note": f"{error}; it was taken as after a power cut"}
        return {}

    def snapshot_remove(self, request: messages.SnapshotRemove, conversation: Conversation) -> Answer:
        snapshots.remove(self.machines, self._own(conversation.caller, request.name), request.tag)
        return Answer({})

    def restore(self, request: messages.Restore, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name)
        snapshots.restore(self.machines, machine, request.tag)
        return Answer({"machine": self._info(machine)})

    def clone(self, request: messages.Clone, conversation: Conversation) -> Answer:
        machine = self._own(conversation.caller, request.name)
        name, note = machine_name(request.new), self._write_out(machine)
        return Answer({"machine": self._info(snapshots.clone(self.machines, machine, name)), **note})


def uid_if_allowed(caller: Caller, owner: str) -> int | None:
    """The uid of an owner whose machines the caller may see."""
    try:
        uid = uid_of(owner)
    except NotFound:
        return None
    return uid if caller.admin or uid == caller.uid else None


def _with_home(caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
    """Root's machines have no home: there is no identity of root's to lend to a jail."""
    return {**given, "home": given["home"] and caller.uid != 0}


def _command(command: messages.Command, machine: Machine) -> sessions.Command:
    home = machine.record.owner.home
    directory = command.directory
    if directory is not None and not (machine.record.home and f"{directory}/".startswith(f"{home}/")):
        directory = None  # where the caller stands is not in the machine
    terminal = (command.terminal.rows, command.terminal.columns) if command.terminal else None
    for text in (
        command.user,
        *command.arguments,
        *command.environment,
        *command.environment.values(),
        directory or "",
    ):
        if "\0" in text:
            raise Usage("a NUL byte can't be in a command", "no argument, name or path may hold one")
        try:
            text.encode(errors="surrogateescape")  # bytes of other encodings come so; any other half of a pair is nothing
        except UnicodeEncodeError:
            raise Usage("that is no text", "half a surrogate pair stands for no character and no byte") from None
    return sessions.Command(
        arguments=tuple(command.arguments),
        user=command.user,
        login=command.login,
        directory=directory,
        environment=tuple(command.environment.items()),
        terminal=terminal,
    )


def _with_console(machines: Machines, machine: Machine, error: GaolerError) -> GaolerError:
    """A machine of `run` takes its log with it: its last words go into the error."""
    lines = sessions.console_text(machines, machine).strip().splitlines()
    said = f"; its console: {' | '.join(lines[-3:])[-300:]}" if lines else ""
    return type(error)(
        error.what, f"{error.why}{said}", error.hint if "gaol log" not in error.hint else "gaol doctor", error.code
    )
