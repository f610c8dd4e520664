"""Machines' files as subvolumes: snapshots and clones."""

from __future__ import annotations

from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import of_machines
from gaoler.daemon.parts import Parts
from gaoler.daemon.views import info_of
from gaoler.errors import GaolerError
from gaoler.machines import sessions, snapshots
from gaoler.machines.machine import Machine
from gaoler.store.names import machine_name
from gaoler.wire import methods, replies, requests


@of_machines(methods.SNAPSHOT)
def snapshot(parts: Parts, request: requests.Snapshot, _: Conversation, machine: Machine) -> replies.Taken:
    note = _write_out(parts, machine)
    return replies.Taken(tag=snapshots.take(parts.machines, machine, request.tag), note=note)


@of_machines(methods.SNAPSHOT_REMOVE)
def remove(parts: Parts, request: requests.SnapshotRemove, _: Conversation, machine: Machine) -> replies.Nothing:
    snapshots.remove(parts.machines, machine, request.tag)
    return replies.Nothing()


@of_machines(methods.RESTORE)
def restore(parts: Parts, request: requests.Restore, _: Conversation, machine: Machine) -> replies.OneMachine:
    snapshots.restore(parts.machines, machine, request.tag)
    return replies.OneMachine(machine=info_of(parts.machines, machine))


@of_machines(methods.CLONE)
def clone(parts: Parts, request: requests.Clone, _: Conversation, machine: Machine) -> replies.Cloned:
    name, note = machine_name(request.new), _write_out(parts, machine)
    return replies.Cloned(machine=info_of(parts.machines, snapshots.clone(parts.machines, machine, name)), note=note)


def _write_out(parts: Parts, machine: Machine) -> str | None:
    """Have a running machine write out its files; a note for its owner where it does not."""
    try:
        if machine.live:
            sessions.write_out(parts.machines, machine)
    except GaolerError as error:
        return f"{error}; it was taken as after a power cut"
    return None
