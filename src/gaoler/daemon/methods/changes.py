"""Machines changed after they were made."""

from __future__ import annotations

from gaoler.daemon.caller import uid_of
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import in_machines, of_anybodys_machines, of_machines
from gaoler.daemon.parts import Parts
from gaoler.daemon.views import info_of
from gaoler.machines.machine import Machine
from gaoler.wire import methods, replies, requests


@of_machines(methods.SET)
def change(parts: Parts, request: requests.Set, _: Conversation, machine: Machine) -> replies.Changed:
    said = request.model_dump(exclude={"name", "owner", "extend"}, exclude_none=True)
    if request.extend is not None:
        parts.changing.extend(machine, request.extend)
    later = parts.changing.change(machine, said) if said or request.extend is None else ()
    return replies.Changed(machine=info_of(parts, machine), later=list(later))


@in_machines(methods.SHARE)
def share(parts: Parts, request: requests.Share, _: Conversation, machine: Machine) -> replies.OneMachine:
    friend = parts.rights.account(uid_of(request.user))
    parts.sharing.share(machine, friend, request.access, request.ends, home=request.home)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.UNSHARE)
def unshare(parts: Parts, request: requests.Unshare, _: Conversation, machine: Machine) -> replies.OneMachine:
    parts.sharing.unshare(machine, request.user)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.RENAME)
def rename(parts: Parts, request: requests.Rename, _: Conversation, machine: Machine) -> replies.OneMachine:
    parts.changing.rename(machine, request.new)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_anybodys_machines(methods.GIVE)
def give(parts: Parts, request: requests.Give, _: Conversation, machine: Machine) -> replies.OneMachine:
    parts.leavers.give(machine, parts.rights.account(uid_of(request.to)), request.new)
    return replies.OneMachine(machine=info_of(parts, machine))
