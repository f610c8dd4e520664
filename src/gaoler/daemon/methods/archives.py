"""Machines as archives. What is written or read at the other end is the caller's own session, as themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gaoler.configuration.account import Account
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import in_machines, owners
from gaoler.daemon.parts import Parts
from gaoler.daemon.views import info_of
from gaoler.errors import Usage
from gaoler.machines.machine import Machine
from gaoler.wire import methods, replies, requests


@in_machines(methods.EXPORT)
def export(parts: Parts, _: requests.Export, talk: Conversation, machine: Machine) -> replies.Exported:
    with _ours_of_pipe(talk, f"exporting {machine.record.name}", ours=1) as writing:
        packed = parts.portable.pack(machine, writing, talk.report)
    return replies.Exported(
        machine=info_of(parts, machine),
        files=packed.files,
        bytes=packed.bytes,
        left_out=packed.left_out,
        without=packed.without,
    )


@owners(methods.IMPORT)
def bring(parts: Parts, request: requests.Import, talk: Conversation, owner: Account) -> replies.Imported:
    with _ours_of_pipe(talk, "importing", ours=0) as reading:
        machine, notes = parts.portable.unpack(owner, request.which.name, reading, talk.report)
    return replies.Imported(machine=info_of(parts, machine), notes=notes)


@contextmanager
def _ours_of_pipe(talk: Conversation, step: str, *, ours: int) -> Iterator[int]:
    """One end of a pipe, the other one being the caller's. Raises Usage where they can't take it."""
    if not talk.streams:
        raise Usage("that takes more than one reply", "the archive is a stream", "gaol export --help")
    ends = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            talk.tell(replies.Progress(step=step), (ends[1 - ours],))
        finally:
            os.close(ends[1 - ours])
        yield ends[ours]
    finally:
        os.close(ends[ours])
