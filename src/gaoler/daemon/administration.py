"""The administrator's methods: bases, kernels, the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaoler.daemon.server import Answer, Conversation, Method
from gaoler.errors import NotFound, Usage
from gaoler.host import btrfs
from gaoler.host.command import run
from gaoler.machines import bases, kernels
from gaoler.machines.configuration import Configuration
from gaoler.machines.lifecycle import Machines
from gaoler.setup import base_debian, clean, kernel
from gaoler.setup.progress import Progress
from gaoler.wire import messages


def methods(configuration: Configuration, machines: Machines) -> dict[type[messages.Request], Method]:
    paths, of_bases = machines.paths, machines.bases

    def base_view(base: bases.Base) -> dict[str, Any]:
        return messages.Base(
            name=base.name,
            generation=base.generation,
            source=base.source,
            created=base.created,
            machines=sum(machine.record.base == base.name for machine in machines.all()),
        ).model_dump()

    def base_list(_: messages.BaseList, __: Conversation) -> Answer:
        return Answer({"bases": [base_view(base) for base in of_bases.all()]})

    def base_add(request: messages.BaseAdd, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("add a base")
        with of_bases.staging(request.name) as tree:
            if request.source == "mmdebstrap":
                suite = request.argument or ""
                base_debian.make(tree, suite, request.mirror, _progress(conversation))
                source = f"mmdebstrap {suite}"
            else:
                _copy_directory(request.argument or "", tree)
                source = f"directory {request.argument}"
            conversation.progress({"step": "cleaning"})
            clean.clean(tree)
            return Answer({"base": base_view(of_bases.publish(request.name, tree, source))})

    def base_remove(request: messages.BaseRemove, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("remove a base")
        of_bases.remove(request.name, [])
        return Answer({})

    def publish(request: messages.Publish, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("publish a base")
        machine = machines.find(conversation.caller.uid, request.name)
        with machine.lock, of_bases.staging(request.base) as tree:
            btrfs.delete(tree)
            btrfs.snapshot(machines.jailer.gaol(machine.record), tree)
            clean.clean(tree)
            return Answer({"base": base_view(of_bases.publish(request.base, tree, f"machine {request.name}"))})

    def kernel_view(found: kernels.Kernel, default: bool) -> dict[str, Any]:
        return messages.Kernel(version=found.version, hash=found.hash, path=str(found.binary), default=default).model_dump()

    def kernel_list(_: messages.KernelList, __: Conversation) -> Answer:
        there = kernels.all_kernels(paths.kernels)
        standard = kernels.find(paths.kernels, configuration.machines.kernel) if there else None
        return Answer({"kernels": [kernel_view(one, one == standard) for one in there]})

    def kernel_build(request: messages.KernelBuild, conversation: Conversation) -> Answer:
        conversation.caller.must_be_admin("build a kernel")
        built = kernel.build(configuration.daemon.cache, paths.kernels, _progress(conversation), request.series)
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

    return {
        messages.BaseList: base_list,
        messages.BaseAdd: base_add,
        messages.BaseRemove: base_remove,
        messages.Publish: publish,
        messages.KernelList: kernel_list,
        messages.KernelBuild: kernel_build,
        messages.KernelRemove: kernel_remove,
        messages.StoreInspect: store_inspect,
    }


def _progress(conversation: Conversation) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        conversation.progress({"step": progress.step, "done": progress.done, "total": progress.total})

    return tell


def _copy_directory(source: str, tree: Path) -> None:
    if not source.startswith("/"):
        raise Usage("the directory to copy must be an absolute path", source[:100], "gaol base add NAME --directory /srv/tree")
    if not Path(source).is_dir():
        raise NotFound(f"no directory {source}", "", "ls")
    run(["cp", "-a", "--reflink=auto", "--", f"{source}/.", str(tree)])
