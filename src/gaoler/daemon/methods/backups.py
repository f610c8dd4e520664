"""Machines as streams to a backup, and of one. What is written or read at the other end is the caller's: root's own session."""

from __future__ import annotations

import os

from gaoler.daemon.caller import uid_of
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import roots, roots_of_machines
from gaoler.daemon.parts import Parts
from gaoler.daemon.views import info_of
from gaoler.host.btrfs import streams
from gaoler.machines import record
from gaoler.machines.backups import Tree, Wanted
from gaoler.machines.machine import Machine
from gaoler.wire import messages, methods, replies, requests


@roots_of_machines(methods.STORE_BACKUP)
def backup(parts: Parts, request: requests.StoreBackup, talk: Conversation, machine: Machine) -> replies.BackedUp:
    wanted = {"full": request.full, "snapshots": request.snapshots}
    with parts.backups.taking(machine, request.target, set(request.kept), **wanted) as taken:
        for tree in taken.trees:
            _send(tree, talk)
    return replies.BackedUp(
        owner=taken.record.owner.name,
        name=taken.record.name,
        id=taken.record.id,
        record=record.encode(taken.record).decode(),
        tree=taken.uuid,
        parent=taken.trees[-1].parent_uuid,
        snapshots=taken.snapshots,
    )


def _send(tree: Tree, talk: Conversation) -> None:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            process = streams.send(tree.path, tree.parent, writing)
        finally:
            os.close(writing)
        talk.tell(replies.Sent(tree=tree.uuid, parent=tree.parent_uuid), (reading,))
    finally:
        os.close(reading)  # if nobody has it now, the sender ends
    streams.ended(process, "the backup was cut short")


@roots(methods.STORE_RESTORE)
def restore(parts: Parts, request: requests.StoreRestore, talk: Conversation) -> replies.Machines:
    wanted = [_wanted(parts, one) for one in request.machines]
    with parts.backups.restoring() as received:
        for tree in request.trees:
            if received.has(tree):
                continue
            reading, writing = os.pipe2(os.O_CLOEXEC)
            try:
                try:
                    talk.tell(replies.Asked(tree=tree), (writing,))
                finally:
                    os.close(writing)
                received.take(tree, reading)
            finally:
                os.close(reading)
        made = [parts.backups.make(one, received) for one in wanted]
    return replies.Machines(machines=[info_of(parts, machine) for machine in made])


def _wanted(parts: Parts, one: messages.Restored) -> Wanted:
    owner = parts.rights.account(uid_of(one.owner))
    return parts.backups.wanted(owner, one.name, one.record, one.tree, one.snapshots, given=one.given)
