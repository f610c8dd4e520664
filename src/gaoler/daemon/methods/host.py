"""The host: its store, its health, its figures."""

from __future__ import annotations

import os

from gaoler.daemon import doctor, store
from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import administrators, anybodys
from gaoler.daemon.parts import Parts
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


@anybodys(methods.DOCTOR)
def check(parts: Parts, _: requests.Doctor, conversation: Conversation) -> replies.Checks:
    return replies.Checks(checks=doctor.run(parts.decided, names=conversation.caller.admin))
