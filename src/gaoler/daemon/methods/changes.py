"""Machines changed after they were made."""

from __future__ import annotations

from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import of_machines
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


@of_machines(methods.RENAME)
def rename(parts: Parts, request: requests.Rename, _: Conversation, machine: Machine) -> replies.OneMachine:
    parts.changing.rename(machine, request.new)
    return replies.OneMachine(machine=info_of(parts, machine))
