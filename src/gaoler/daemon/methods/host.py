"""The host: its store, its health, its figures."""

from __future__ import annotations

import os

from gaoler.daemon import doctor, store
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import administrators, anybodys
from gaoler.daemon.parts import Parts
from gaoler.host.clock import since_boot
from gaoler.machines.draining import Drain
from gaoler.wire import messages, methods, replies, requests


@anybodys(methods.STORE_INSPECT)
def inspect(parts: Parts, _: requests.StoreInspect, __: Conversation) -> replies.OneStore:
    settings, path = parts.configuration.store, parts.paths.store
    space = os.statvfs(path)
    return replies.OneStore(
        store=messages.Store(
            path=str(path),
            source=str(store.mounted(settings) or ""),
            configured=str(store.configured(settings)),
            total=space.f_blocks * space.f_frsize,
            free=space.f_bavail * space.f_frsize,
            machines=len(parts.registry.all()),
            bases=len(list(parts.bases.all())),
        )
    )


@administrators(methods.METRICS)
def metrics(parts: Parts, _: requests.Metrics, __: Conversation) -> replies.Printed:
    return replies.Printed(text=parts.metrics.text().decode())


@administrators(methods.DRAIN)
def drain(parts: Parts, request: requests.Drain, conversation: Conversation) -> replies.Drained:
    parts.draining.begin(Drain(since_boot() + request.left, conversation.caller.account.name, request.why, request.stop))
    return _drained(parts)


@administrators(methods.DRAIN_END)
def drain_end(parts: Parts, _: requests.DrainEnd, __: Conversation) -> replies.Drained:
    parts.draining.end()
    return _drained(parts)


@anybodys(methods.DRAIN_INSPECT)
def drain_inspect(parts: Parts, _: requests.DrainInspect, __: Conversation) -> replies.Drained:
    return _drained(parts)


def _drained(parts: Parts) -> replies.Drained:
    now = parts.draining.now
    told = messages.Drain(left=now.left, who=now.who, why=now.why, stop=now.stop) if now else None
    return replies.Drained(drain=told, running=len(parts.draining.running()))


@anybodys(methods.DOCTOR)
def check(parts: Parts, _: requests.Doctor, conversation: Conversation) -> replies.Checks:
    return replies.Checks(checks=doctor.run(parts.decided, parts.draining.now, names=conversation.caller.admin))
