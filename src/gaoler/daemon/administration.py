"""The administrator's methods: kernels, the store, metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gaoler.configuration.model import Configuration
from gaoler.daemon.metrics import Metrics
from gaoler.daemon.server import Answer, Conversation, Method
from gaoler.kernels import building as kernel
from gaoler.kernels import installed as kernels
from gaoler.machines.lifecycle import Machines
from gaoler.progress import Progress
from gaoler.wire import messages


def methods(configuration: Configuration, machines: Machines, metrics: Metrics) -> dict[type[messages.Request], Method]:
    paths, of_bases = machines.paths, machines.bases

    def kernel_view(found: kernels.Kernel, default: bool) -> dict[str, Any]:
        return messages.Kernel(version=found.version, hash=found.hash, path=str(found.binary), default=default).model_dump()

    def kernel_list(_: messages.KernelList, __: Conversation) -> Answer:
        there = kernels.all_kernels(paths.kernels)
        standard = kernels.find(paths.kernels, configuration.machines.kernel) if there else None
        return Answer({"kernels": [kernel_view(one, one == standard) for one in there]})

    def kernel_build(request: messages.KernelBuild, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("build a kernel")
        built = kernel.build(configuration.daemon.cache, paths.kernels, report_to(conversation), request.series)
        return Answer({"kernel": kernel_view(kernels.find(paths.kernels, f"{built.version}-{built.hash}"), False)})

    def kernel_remove(request: messages.KernelRemove, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("remove a kernel")
        used = {
            name for machine in machines.all() for name in (machine.record.kernel, machine.live and machine.live.kernel) if name
        }
        kernels.remove(paths.kernels, request.name, used)
        return Answer({})

    def store_inspect(_: messages.StoreInspect, __: Conversation) -> Answer:
        space = os.statvfs(paths.store)
        store = messages.Store(
            path=str(paths.store),
            source=str(configuration.store.device or configuration.store.image),
            total=space.f_blocks * space.f_frsize,
            free=space.f_bavail * space.f_frsize,
            machines=len(machines.all()),
            bases=len(list(of_bases.all())),
        )
        return Answer({"store": store.model_dump()})

    def metrics_of_all(_: messages.Metrics, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("see the metrics")
        return Answer({"text": metrics.text().decode()})

    return {
        messages.KernelList: kernel_list,
        messages.KernelBuild: kernel_build,
        messages.KernelRemove: kernel_remove,
        messages.StoreInspect: store_inspect,
        messages.Metrics: metrics_of_all,
    }


def report_to(conversation: Conversation) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        conversation.progress({"step": progress.step, "done": progress.done, "total": progress.total, "unit": progress.unit})

    return tell
