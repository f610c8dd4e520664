"""names: for completion; what is there of a kind, a line each. Prints nothing rather than an error."""

from __future__ import annotations

from gaoler.cli.arguments import Command, place
from gaoler.cli.output import clean
from gaoler.client import Gaoler
from gaoler.errors import GaolerError

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def _names(options: Any) -> int:
    try:
        with Gaoler() as gaoler:
            found = _found(gaoler, options.kind, options.name)
    except GaolerError as error:
        return error.code
    if found:
        print("\n".join(clean(name) for name in found))
    return 0


def _found(gaoler: Gaoler, kind: str, name: str | None) -> list[str]:
    if kind == "machines":
        return [machine["name"] for machine in gaoler.machines()]
    if kind == "bases":
        return [base["name"] for base in gaoler.call("BaseList")["bases"]]
    if kind == "kernels":
        return [f"{kernel['version']}-{kernel['hash']}" for kernel in gaoler.call("KernelList")["kernels"]]
    if kind == "snapshots":
        return list(gaoler.call("Inspect", name=name)["machine"]["snapshots"])
    return []


COMMANDS = {
    "names": Command(
        _names,
        "Print the names of machines, bases, kernels or snapshots, a line each, for completion.",
        place("KIND", "machines, bases, kernels or snapshots"),
        place("NAME", "the machine, for snapshots", optional=True),
    )
}
