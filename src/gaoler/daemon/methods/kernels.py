"""The kernels that machines run."""

from __future__ import annotations

from gaoler.daemon.conversation import Conversation
from gaoler.daemon.handling import administrators, anybodys
from gaoler.daemon.parts import Parts
from gaoler.kernels import building, installed
from gaoler.kernels.kernel import Kernel
from gaoler.wire import messages, methods, replies, requests


@anybodys(methods.KERNEL_LIST)
def list_all(parts: Parts, _: requests.KernelList, __: Conversation) -> replies.Kernels:
    directory = parts.paths.kernels
    there = installed.all_kernels(directory)
    standard = installed.find(directory, parts.configuration.machines.kernel) if there else None
    return replies.Kernels(kernels=[_view(one, one == standard) for one in there])


@administrators(methods.KERNEL_BUILD)
def build(parts: Parts, request: requests.KernelBuild, conversation: Conversation) -> replies.OneKernel:
    directory = parts.paths.kernels
    built = building.build(parts.configuration.daemon.cache, directory, conversation.report, request.series)
    return replies.OneKernel(kernel=_view(built, False))


@administrators(methods.KERNEL_REMOVE)
def remove(parts: Parts, request: requests.KernelRemove, _: Conversation) -> replies.Nothing:
    parts.spares.drop(lambda spare: request.name in spare.key.kernel)
    used: dict[str, list[str]] = {}
    for machine in parts.registry.all():
        of, live = machine.record, machine.live
        for name in {of.kernel, live.kernel if live else None, *parts.copies.kernels(of.id)} - {None}:
            used.setdefault(str(name), []).append(f"{of.owner.name}/{of.name}")
    installed.remove(parts.paths.kernels, request.name, used)
    return replies.Nothing()


def _view(found: Kernel, default: bool) -> messages.Kernel:
    return messages.Kernel(version=found.version, hash=found.hash, path=str(found.binary), default=default)
