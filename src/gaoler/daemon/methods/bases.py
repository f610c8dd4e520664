"""The trees that machines are cloned from."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace

from gaoler.bases.history import Recipe
from gaoler.bases.shelf import Base
from gaoler.daemon.caller import uid_of
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import administrators, anybodys, of_bases, of_machines
from gaoler.daemon.parts import Parts
from gaoler.errors import NotAllowed, Usage
from gaoler.machines.machine import Machine
from gaoler.machines.request import as_setting, must_make_sense
from gaoler.wire import messages, methods, replies, requests

_log = logging.getLogger(__name__)


@anybodys(methods.BASE_LIST)
def list_all(parts: Parts, _: requests.BaseList, __: Conversation) -> replies.Bases:
    bases = parts.bases
    begun = (_unfinished(parts, name) for name in bases.unfinished())
    return replies.Bases(bases=[*(_view(parts, base) for base in bases.all()), *begun])


@anybodys(methods.BASE_INSPECT)
def inspect(parts: Parts, request: requests.BaseInspect, conversation: Conversation) -> replies.BaseHistory:
    base = parts.bases.find(request.name)
    known = parts.rights.knows_users_of(conversation.caller, base.name)
    standing = _standing(parts, base.name) if known else None
    return replies.BaseHistory(base=_view(parts, base), generations=_generations(parts, base), standing=standing)


@administrators(methods.BASE_ADD)
def add(parts: Parts, request: requests.BaseAdd, conversation: Conversation) -> replies.BaseMade:
    recipe = _recipe(request, conversation.caller.account.name)
    if recipe.kind == "machine":
        owner = recipe.argument.partition("/")[0]
        recipe = replace(recipe, machine_mark=parts.rights.account(uid_of(owner)).mark)
    result = parts.syncs.add(request.name, recipe, conversation.report, replace=request.replace)
    return replies.BaseMade(base=_view(parts, result.base), new=result.new)


@of_bases(methods.BASE_SYNC)
def sync(parts: Parts, request: requests.BaseSync, conversation: Conversation) -> replies.BaseSynced:
    if request.name is None:
        due = parts.syncs.sync_due(conversation.report)
        return replies.BaseSynced(bases=[_view(parts, parts.bases.find(name)) for name in due])
    result = parts.syncs.sync(request.name, conversation.report, shrink=request.shrink)
    return replies.BaseSynced(base=_view(parts, result.base), new=result.new)


@of_bases(methods.BASE_ROLLBACK)
def rollback(parts: Parts, request: requests.BaseRollback, _: Conversation) -> replies.OneBase:
    return replies.OneBase(base=_view(parts, parts.syncs.rollback(request.name, request.generation)))


@of_bases(methods.BASE_SET)
def change(parts: Parts, request: requests.BaseSet, _: Conversation) -> replies.OneBase:
    said = request.model_dump(exclude={"name", "unset"}, exclude_none=True) | dict.fromkeys(request.unset)
    if not said:
        raise Usage("nothing to change", "say what, for instance memory=1G", f"gaol base set {request.name} memory=1G")
    try:
        must_make_sense(said)
    except Usage as error:
        raise as_setting(error, f"gaol base set {request.name}") from None
    parts.bases.save_defaults(request.name, replace(parts.bases.defaults(request.name), **said))
    return replies.OneBase(base=_view(parts, parts.bases.find(request.name)))


@of_bases(methods.BASE_REMOVE)
def remove(parts: Parts, request: requests.BaseRemove, conversation: Conversation) -> replies.Nothing:
    if request.name == parts.configuration.machines.base and not request.default and request.name not in parts.bases.unfinished():
        raise NotAllowed(
            f'"{request.name}" is the base of machines that name none',
            "without it neither up nor run makes a machine",
            "machines.base = another one, in /etc/gaoler/gaoler.toml",
        )
    parts.bases.remove(request.name)
    _log.info("base %s: removed by %s", request.name, conversation.caller.account.name)
    return replies.Nothing()


@of_machines(methods.PUBLISH)
def publish(parts: Parts, request: requests.Publish, conversation: Conversation, machine: Machine) -> replies.BaseMade:
    caller, of = conversation.caller, machine.record
    with parts.rights.publishing(caller, request.base):
        argument = f"{of.owner.name}/{of.name}"
        by = None if caller.admin else caller.account
        recipe = Recipe("machine", argument, machine_mark=of.owner.mark, keep=tuple(request.keep))
        if by:
            recipe = replace(recipe, publisher=by.name, publisher_uid=by.uid, publisher_mark=by.mark)
        result = parts.syncs.add(request.base, recipe, conversation.report, replace=not caller.admin)
    return replies.BaseMade(base=_view(parts, result.base), new=result.new)


def _view(parts: Parts, base: Base) -> messages.Base:
    bases = parts.bases
    last, note = base.last, bases.note(base)
    return messages.Base(
        name=base.name,
        generation=base.generation,
        source=base.source,
        created=base.created,
        machines=sum(machine.record.base == base.name for machine in parts.registry.all()),
        files=note.files if note else None,
        size=note.size if note else None,
        moved_files=note.moved_files if note else None,
        moved_bytes=note.moved_bytes if note else None,
        interval=parts.configuration.of_base(base.name).sync or None,
        held=base.held,
        syncing=bases.is_updating(base.name),
        synced=last.time if last else None,
        result=last.result if last else None,
        seconds=last.seconds if last else None,
        reason=last.reason if last else None,
        good=last.good if last else None,
        failures=last.failures if last else 0,
        lacks=list(last.lacks) if last else [],
        desktop=bases.has_desktop(base),
        defaults=messages.Defaults(**asdict(bases.defaults(base.name))) if base.generation else None,
    )


def _unfinished(parts: Parts, name: str) -> messages.Base:
    bases = parts.bases
    working = bases.is_updating(name)
    why = f"its first sync was cut short: gaol base add {name} again goes on, gaol base rm {name} clears up"
    return messages.Base(
        name=name,
        generation=None,
        source=str(bases.recipe(name) or "") or None,
        created=None,
        machines=0,
        syncing=working,
        result="unfinished",
        reason=None if working else why,
    )


def _standing(parts: Parts, name: str) -> list[messages.Standing]:
    """Those that are thrown away are nobody's to follow."""
    kept = [machine for machine in parts.registry.all() if machine.record.base == name and not machine.record.ephemeral]
    return [
        messages.Standing(owner=one.record.owner.name, name=one.record.name, generation=one.record.generation, state=one.state)
        for one in kept
    ]


def _generations(parts: Parts, base: Base) -> list[messages.Generation]:
    records = [machine.record for machine in parts.registry.all()]
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
        )
        for one in parts.bases.history(base.name)
    ]


def _recipe(request: requests.BaseAdd, login: str) -> Recipe:
    """A machine is the caller's own unless its owner is named."""
    argument = request.argument or ""
    if request.source == "machine" and "/" not in argument:
        argument = f"{login}/{argument}"
    return Recipe(request.source, argument, request.mirror, request.keyring)
