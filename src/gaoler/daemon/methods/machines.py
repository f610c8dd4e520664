"""Machines: made, shown, stopped, thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields

from gaoler import background
from gaoler.configuration.account import Account
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import catalogues, listings, of_machines, owners, seen
from gaoler.daemon.parts import Parts
from gaoler.daemon.rights import Admitted
from gaoler.daemon.views import info_of, removed_of, shown, usage_of
from gaoler.errors import Failed, NotFound
from gaoler.host.cgroup import origin
from gaoler.machines.machine import Machine
from gaoler.machines.observed import Observed
from gaoler.machines.request import Wishes
from gaoler.store.names import machine_name
from gaoler.wire import messages, methods, replies, requests
from gaoler.wire.framing import Closed

_LOOK_AGAIN = 2.0
"""Seconds between looks whether somebody who waits for a machine is still there."""


def wishes(spec: messages.Spec) -> Wishes:
    """What a caller wishes, in the domain's words, which are the wire's."""
    return Wishes(**{field.name: getattr(spec, field.name) for field in fields(Wishes)})


@owners(methods.UP)
def up(parts: Parts, request: requests.Up, conversation: Conversation, owner: Account) -> replies.OneMachine:
    given = request.which.name
    name = machine_name(given) if given is not None else parts.rights.standard(owner.uid, owner.name)
    try:
        machine = parts.arriving.up(owner, name, wishes(request.spec), conversation.report)
    except Failed as error:
        raise _with_ways_back(parts, parts.registry.get(owner.uid, name), error) from None
    background.later(lambda: parts.sessions.note_host_keys(machine))
    conversation.about = machine.record.label
    return replies.OneMachine(machine=info_of(parts, machine))


def _with_ways_back(parts: Parts, machine: Machine | None, error: Failed) -> Failed:
    """One that was there and did not start: how its owner gets at its files, and back to what it was."""
    if machine is None or machine.live is not None or not machine.observed.reason:
        return error
    name, tags = machine.record.name, parts.snapshots.tags(machine)
    back = f"; gaol restore {name} goes back to a snapshot: {', '.join(tags[-4:])}" if tags else ""
    return Failed(error.what, f"{error.why}{back}", f"gaol shell --rescue {name}")


@catalogues(methods.LIST)
def list_some(parts: Parts, request: requests.List, __: Conversation, found: list[Admitted]) -> replies.Machines:
    wanted = (one for one in found if not one.machine.is_spare and (request.shared or one.share is None))
    return replies.Machines(machines=[shown(parts, one) for one in wanted])


@seen(methods.INSPECT)
def inspect(parts: Parts, _: requests.Inspect, __: Conversation, admitted: Admitted) -> replies.OneMachine:
    return replies.OneMachine(machine=shown(parts, admitted))


@listings(methods.TOP)
def top(parts: Parts, request: requests.Top, conversation: Conversation, found: list[Machine]) -> replies.Usages:
    if request.pid is not None:
        everybody = parts.registry.all() if conversation.caller.admin else found
        identity = origin.machine_of(request.pid, parts.jailer.prefix)
        found = [machine for machine in everybody if machine.record.id == identity]
        if not found:
            why = "it is in none of their control groups, or has ended"
            raise NotFound(f"process {request.pid} is not a machine's", why, f"cat /proc/{request.pid}/cgroup")
    used = (usage_of(parts, machine) for machine in found)
    return replies.Usages(usage=[one for one in used if one])


@of_machines(methods.LOG)
def log(parts: Parts, _: requests.Log, __: Conversation, machine: Machine) -> replies.Printed:
    return replies.Printed(text=parts.sessions.console_text(machine))


@of_machines(methods.DOWN)
def down(parts: Parts, request: requests.Down, _: Conversation, machine: Machine) -> replies.OneMachine:
    parts.running.stop(machine, force=request.force)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.SLEEP)
def sleep(parts: Parts, _: requests.Sleep, __: Conversation, machine: Machine) -> replies.OneMachine:
    parts.sleeping.sleep(machine)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.FREEZE)
def freeze(parts: Parts, _: requests.Freeze, __: Conversation, machine: Machine) -> replies.OneMachine:
    parts.running.freeze(machine)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.THAW)
def thaw(parts: Parts, _: requests.Thaw, __: Conversation, machine: Machine) -> replies.OneMachine:
    parts.running.thaw(machine)
    return replies.OneMachine(machine=info_of(parts, machine))


@of_machines(methods.REMOVE)
def remove(parts: Parts, request: requests.Remove, _: Conversation, machine: Machine) -> replies.Gone:
    if request.now:
        parts.running.remove(machine, force=request.force)
        return replies.Gone(name=machine.record.name)
    return replies.Gone(name=machine.record.name, until=parts.removed.remove(machine, force=request.force))


@owners(methods.REMOVED_LIST)
def removed(parts: Parts, _: requests.RemovedList, __: Conversation, owner: Account) -> replies.RemovedMachines:
    return replies.RemovedMachines(removed=[removed_of(one) for one in parts.removed.of(owner)])


@owners(methods.REMOVED_RESTORE)
def have_back(parts: Parts, request: requests.RemovedRestore, _: Conversation, owner: Account) -> replies.OneMachine:
    kept = parts.removed.find(owner, request.which.name)
    return replies.OneMachine(machine=info_of(parts, parts.removed.restore(owner, kept, request.new)))


@owners(methods.REMOVED_DROP)
def drop(parts: Parts, request: requests.RemovedDrop, _: Conversation, owner: Account) -> replies.Nothing:
    parts.removed.drop(parts.removed.find(owner, request.which.name))
    return replies.Nothing()


@of_machines(methods.WAIT)
def wait(parts: Parts, request: requests.Wait, conversation: Conversation, machine: Machine) -> replies.OneMachine:
    done: Callable[[Observed], bool] = {
        "ready": lambda seen: seen.state == "ready" or seen.phase == "down",
        "stopped": lambda seen: seen.live is None,
    }[request.until]
    name = machine.record.name
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    while not machine.wait(done, _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())):
        if not conversation.present():
            raise Closed("the caller has gone")
        if deadline is not None and time.monotonic() >= deadline:
            why = f"it is {machine.state}, after {request.timeout:g} s"
            raise Failed(f"{name} is not {request.until}", why, f"gaol log {name}")
    if request.until == "ready" and machine.state != "ready":
        raise Failed(f"{name} will not be ready", f"it is {machine.state}", f"gaol up {name}")
    return replies.OneMachine(machine=info_of(parts, machine))
