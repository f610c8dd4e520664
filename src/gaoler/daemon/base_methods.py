"""The methods for bases."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from gaoler.bases.generations import Base
from gaoler.bases.history import Recipe
from gaoler.bases.sync import BaseSync
from gaoler.daemon.administration import report_to
from gaoler.daemon.base_rights import BaseRights
from gaoler.daemon.caller import Caller
from gaoler.daemon.server import Answer, Conversation, Method
from gaoler.errors import NotFound, Usage
from gaoler.machines.lifecycle import Machines
from gaoler.wire import messages

_log = logging.getLogger(__name__)


def methods(machines: Machines, syncs: BaseSync) -> dict[type[messages.Request], Method]:
    bases = machines.bases
    rights = BaseRights(syncs.configuration, bases)

    def view(base: Base) -> dict[str, Any]:
        last, note = base.last, bases.note(base)
        return messages.Base(
            name=base.name,
            generation=base.generation,
            source=base.source,
            created=base.created,
            machines=sum(machine.record.base == base.name for machine in machines.all()),
            files=note.files if note else None,
            size=note.size if note else None,
            moved_files=note.moved_files if note else None,
            moved_bytes=note.moved_bytes if note else None,
            interval=syncs.configuration.of_base(base.name).sync or None,
            held=base.held,
            syncing=bases.is_updating(base.name),
            synced=last.time if last else None,
            result=last.result if last else None,
            seconds=last.seconds if last else None,
            reason=last.reason if last else None,
            good=last.good if last else None,
            failures=last.failures if last else 0,
            lacks=list(last.lacks) if last else [],
        ).model_dump()

    def unfinished(name: str) -> dict[str, Any]:
        working = bases.is_updating(name)
        why = (
            None
            if working
            else f"its first sync was cut short: gaol base add {name} again goes on, gaol base rm {name} clears up"
        )
        source = str(bases.recipe(name) or "") or None
        return messages.Base(
            name=name, generation=None, source=source, created=None, machines=0, syncing=working, result="unfinished", reason=why
        ).model_dump()

    def generations(base: Base) -> list[dict[str, Any]]:
        records = [machine.record for machine in machines.all()]
        return [
            messages.Generation(
                generation=one.number,
                current=one.number == base.generation,
                created=one.created,
                source=one.source,
                machines=sum(record.base == base.name and record.generation == one.number for record in records),
                files=one.files,
                size=one.size,
                moved_files=one.moved_files,
                moved_bytes=one.moved_bytes,
            ).model_dump()
            for one in bases.history(base.name)
        ]

    def base_list(_: messages.BaseList, __: Conversation) -> Answer:
        return Answer({"bases": [*map(view, bases.all()), *map(unfinished, bases.unfinished())]})

    def inspect(request: messages.BaseInspect, _: Conversation) -> Answer:
        base = bases.find(request.name)
        return Answer({"base": view(base), "generations": generations(base)})

    def add(request: messages.BaseAdd, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("add a base")
        recipe = _recipe(request, conversation.caller)
        result = syncs.add(request.name, recipe, report_to(conversation), replace=request.replace)
        return Answer({"base": view(result.base), "new": result.new})

    def sync(request: messages.BaseSync, conversation: Conversation) -> Answer:
        report = report_to(conversation)
        if request.name is None:
            conversation.caller.must_be_admin("sync bases")
            return Answer({"bases": [view(bases.find(name)) for name in syncs.sync_due(report)]})
        rights.may_change(conversation.caller, request.name, "sync that base")
        result = syncs.sync(request.name, report, shrink=request.shrink)
        return Answer({"base": view(result.base), "new": result.new})

    def rollback(request: messages.BaseRollback, conversation: Conversation) -> Answer:
        rights.may_change(conversation.caller, request.name, "roll that base back")
        return Answer({"base": view(syncs.rollback(request.name, request.generation))})

    def remove(request: messages.BaseRemove, conversation: Conversation) -> Answer:
        rights.may_change(conversation.caller, request.name, "remove that base")
        bases.remove(request.name)
        _log.info("base %s: removed by %s", request.name, conversation.caller.account.name)
        return Answer({})

    def publish(request: messages.Publish, conversation: Conversation) -> Answer:
        with rights.publishing(conversation.caller, request.base):
            machines.find(conversation.caller.uid, request.name)
            recipe = Recipe("machine", f"{conversation.caller.account.name}/{request.name}")
            result = syncs.add(request.base, recipe, report_to(conversation), replace=not conversation.caller.admin)
        return Answer({"base": view(result.base), "new": result.new})

    return {
        messages.BaseList: base_list,
        messages.BaseInspect: inspect,
        messages.BaseAdd: add,
        messages.BaseSync: sync,
        messages.BaseRollback: rollback,
        messages.BaseRemove: remove,
        messages.Publish: publish,
    }


def _recipe(request: messages.BaseAdd, caller: Caller) -> Recipe:
    """What is wanted, checked as far as it can be before any work. Raises Usage, NotFound."""
    argument = request.argument or ""
    if request.source == "machine" and "/" not in argument:
        argument = f"{caller.account.name}/{argument}"
    if request.source in ("directory", "tar") and not argument.startswith("/"):
        example = f"gaol base add {request.name[:40]} --{request.source} /srv/tree"
        raise Usage(f"the {request.source} must be given by its absolute path", argument[:100], example)
    if request.source == "directory" and not Path(argument).is_dir():
        raise NotFound(f"no directory {argument}", "", "ls")
    for option, kinds in (("mirror", ("pacstrap", "mmdebstrap")), ("keyring", ("pacstrap",))):
        if getattr(request, option) is not None and request.source not in kinds:
            raise Usage(
                f"--{option} means nothing to --{request.source}", f"it goes with --{' or --'.join(kinds)}", "gaol base add -h"
            )
    return Recipe(request.source, argument, request.mirror, request.keyring)
