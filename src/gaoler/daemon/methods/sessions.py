"""Commands inside machines, and the way in by ssh."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import anybodys, entered, in_machines
from gaoler.daemon.methods.machines import wishes
from gaoler.daemon.parts import Parts
from gaoler.daemon.rights import Admitted
from gaoler.errors import Failed, NotAllowed, Usage
from gaoler.machines import readiness, sessions
from gaoler.machines.arriving import Passing
from gaoler.machines.machine import Machine
from gaoler.wire import messages, methods, replies, requests
from gaoler.wire.framing import Closed

_DEATH = 1.0
"""Seconds for a machine's end to be noticed after its streams have ended."""


@anybodys(methods.RUN)
def run(parts: Parts, request: requests.Run, conversation: Conversation) -> replies.Session:
    deadline = parts.configuration.machines.deadline
    command = partial(_command, request.command)
    with parts.arriving.passing(conversation.caller.account, wishes(request.spec), command) as passing:
        return _lived(passing, conversation, deadline)


@in_machines(methods.RESCUE)
def rescue(parts: Parts, request: requests.Rescue, conversation: Conversation, machine: Machine) -> replies.Session:
    with parts.arriving.rescuing(machine, _command(request.command, machine)) as passing:
        return _lived(passing, conversation, parts.configuration.machines.deadline)


def _lived(passing: Passing, conversation: Conversation, deadline: float) -> replies.Session:
    """Hand out the streams of a machine that is thrown away, and return when its caller has gone, or it."""
    machine = passing.machine
    conversation.about = machine.record.label
    told = replies.Session(session=machine.record.name)
    with suppress(Closed):  # the caller has gone already; so does the machine
        try:
            conversation.tell(told, passing.opened.descriptors)
        finally:
            passing.opened.close()
        present = conversation.present(deadline)  # the caller's end of the connection is the machine's life
        if not machine.observed.answered:
            readiness.wait_agent(machine, _DEATH)
        if present:
            conversation.present(None)
    return told


@entered(methods.EXEC)
def execute(parts: Parts, request: requests.Exec, conversation: Conversation, admitted: Admitted) -> replies.Entered:
    machine, share = admitted.machine, admitted.share
    name = machine.record.name
    _must_run(parts, admitted)
    readiness.wait_agent(machine, parts.configuration.machines.deadline)
    command = _command(request.command, machine)
    if share is None:
        conversation.attach(parts.sessions.open(machine, command).descriptors)
        is_shell = request.command.login and request.command.terminal is not None
        return replies.Entered(name=name, welcome=_welcome(parts, machine) if is_shell else None)
    if share.access == "user":
        command = _as_oneself(command, share.name)
        parts.sharing.make_account(machine, share.name)
    opened = parts.sessions.open(machine, command)
    conversation.attach(parts.sharing.guarded(machine, share, conversation.caller.account, opened))
    return replies.Entered(name=name)


def _must_run(parts: Parts, admitted: Admitted) -> None:
    """One that sleeps does so then, too. Raises Failed."""
    machine, share = admitted.machine, admitted.share
    if machine.live is None and not parts.sleeping.wake(machine):
        name = machine.record.name
        hint = "gaol ls" if share else f"gaol up {name}"  # a friend's would be a machine of their own
        raise Failed(f"{name} is not running", f"it is {machine.state}", hint)


def _welcome(parts: Parts, machine: Machine) -> str | None:
    """What the base tells, once."""
    if machine.record.welcomed:
        return None
    text = parts.bases.defaults(machine.record.base).welcome
    if text:
        with machine.lock:
            parts.registry.change(machine, welcomed=True)
    return text or None


@in_machines(methods.SSH)
def ssh(parts: Parts, _: requests.Ssh, __: Conversation, machine: Machine) -> replies.SshDetails:
    parts.sleeping.wake(machine)
    if machine.live and not machine.live.settled:
        readiness.wait_ready(machine, parts.configuration.machines.deadline)
    found = parts.sessions.ssh_details(machine)
    return replies.SshDetails(
        name=machine.record.name, address=found.address, user=found.user, identity=found.identity, host_keys=list(found.host_keys)
    )


@entered(methods.SSH_CONNECT)
def ssh_connect(parts: Parts, request: requests.SshConnect, talk: Conversation, admitted: Admitted) -> replies.SshConnected:
    machine, share = admitted.machine, admitted.share
    _must_run(parts, admitted)
    if machine.live and not machine.live.settled:
        readiness.wait_ready(machine, parts.configuration.machines.deadline)  # its host key is made meanwhile
    told = replies.SshConnected(
        name=machine.record.name, owner=machine.record.owner.name, host_keys=list(parts.sessions.host_keys(machine))
    )
    login = share.name if share and share.access == "user" else None
    if login:
        parts.sharing.make_account(machine, login)
    opened = parts.sessions.sshd(machine, request.keys, login)
    talk.attach(parts.sharing.guarded(machine, share, talk.caller.account, opened) if share else opened.descriptors)
    return told


def _as_oneself(command: sessions.Command, login: str) -> sessions.Command:
    """A friend who may not be root has an account of their own, also where nobody is named, which is root. Raises NotAllowed."""
    if command.user not in ("root", login):
        raise NotAllowed(f"you may not be {command.user[:40]} in it", f"it is shared with {login} as a user", "gaol ls")
    return replace(command, user=login)


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
            raise Usage("a NUL byte can't be in a command", "no argument, name or path may hold one", "gaol exec --help")
        try:
            text.encode(errors="surrogateescape")  # bytes of other encodings come so; any other half of a pair is nothing
        except UnicodeEncodeError:
            raise Usage(
                "a word is not valid text", "it holds half a surrogate pair, which isn't a character", "gaol exec --help"
            ) from None
    return sessions.Command(
        arguments=tuple(command.arguments),
        user=command.user,
        login=command.login,
        directory=directory,
        environment=tuple(command.environment.items()),
        terminal=terminal,
        umask=command.umask,
    )
