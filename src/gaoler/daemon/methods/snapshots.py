"""Machines' files as subvolumes: snapshots and clones."""

from __future__ import annotations

from dataclasses import asdict

from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import in_machines, of_machines
from gaoler.daemon.parts import Parts
from gaoler.daemon.views import info_of
from gaoler.errors import GaolerError
from gaoler.machines.machine import Machine
from gaoler.machines.snapshots import Snapshot
from gaoler.store.names import machine_name
from gaoler.wire import messages, methods, replies, requests


@of_machines(methods.SNAPSHOT)
def snapshot(parts: Parts, request: requests.Snapshot, _: Conversation, machine: Machine) -> replies.Taken:
    if request.memory:
        return replies.Taken(tag=parts.copies.take(machine, request.tag))
    note = _write_out(parts, machine)
    return replies.Taken(tag=parts.snapshots.take(machine, request.tag), note=note)


@of_machines(methods.SNAPSHOT_LIST)
def list_all(parts: Parts, _: requests.SnapshotList, __: Conversation, machine: Machine) -> replies.SnapshotInfos:
    def told(one: Snapshot) -> messages.SnapshotInfo:
        return messages.SnapshotInfo(tag=one.tag, taken=one.taken, held=one.held, memory=parts.copies.has(machine, one.tag))

    return replies.SnapshotInfos(snapshots=[told(one) for one in parts.snapshots.all(machine)])


@of_machines(methods.SNAPSHOT_REMOVE)
def remove(parts: Parts, request: requests.SnapshotRemove, _: Conversation, machine: Machine) -> replies.Nothing:
    parts.snapshots.remove(machine, request.tag)
    parts.copies.forget(machine, request.tag)
    return replies.Nothing()


@of_machines(methods.RESTORE)
def restore(parts: Parts, request: requests.Restore, _: Conversation, machine: Machine) -> replies.OneMachine:
    if request.files or not parts.copies.go_on(machine, request.tag):
        parts.snapshots.restore(machine, request.tag)
    return replies.OneMachine(machine=info_of(parts, machine))


@in_machines(methods.DIFF)
def diff(parts: Parts, request: requests.Diff, conversation: Conversation, machine: Machine) -> replies.Differences:
    note = _write_out(parts, machine)
    found = parts.differences.of(machine, request.tag, conversation.report, patches=request.patch)
    if found.is_cut:
        note = "there is more to the patch than is shown"
    return replies.Differences(
        against=found.against,
        differences=[
            messages.Difference(**{key: value for key, value in asdict(one).items() if key != "exact"} | {"how": list(one.how)})
            for one in found.differences
        ],
        left_out=found.left_out,
        patch="".join(found.patches) if request.patch else None,
        note=note,
    )


@of_machines(methods.REBASE)
def rebase(parts: Parts, _: requests.Rebase, conversation: Conversation, machine: Machine) -> replies.Rebased:
    tag = parts.rebasing.rebase(machine, conversation.report)
    return replies.Rebased(machine=info_of(parts, machine), tag=tag)


@of_machines(methods.CLONE)
def clone(parts: Parts, request: requests.Clone, _: Conversation, machine: Machine) -> replies.Cloned:
    name = machine_name(request.new)
    if request.running:
        parts.sleeping.wake(machine)
        return replies.Cloned(machine=info_of(parts, parts.cloning.clone(machine, name)))
    note = _write_out(parts, machine)
    return replies.Cloned(machine=info_of(parts, parts.snapshots.clone(machine, name)), note=note)


def _write_out(parts: Parts, machine: Machine) -> str | None:
    """Have a running machine write out its files; a note for its owner where it does not."""
    try:
        if machine.live:
            parts.sessions.write_out(machine)
    except GaolerError as error:
        return f"{error}; it was taken as after a power cut"
    return None
