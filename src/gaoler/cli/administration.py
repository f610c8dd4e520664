"""kernel, store, metrics: what the administrator of the host looks after."""

from __future__ import annotations

from gaoler.cli.arguments import JSON, Command, flag, option, place
from gaoler.cli.output import Progress, clean, show, show_columns, show_pairs
from gaoler.client import Gaoler
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    from gaoler.cli.output import Columns


def _metrics(_: Any) -> int:
    with Gaoler() as gaoler:
        print(clean(gaoler.call("Metrics")["text"], keep="\n"), end="")
    return 0


def _kernel_build(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        kernel = gaoler.call("KernelBuild", progress, series=options.series)["kernel"]
    return show(kernel, as_json=options.json, text=lambda: print(f"{kernel['version']}-{kernel['hash']}"))


def _kernel_ls(options: Any) -> int:
    with Gaoler() as gaoler:
        kernels = gaoler.call("KernelList")["kernels"]
    columns: Columns = {"version": str, "hash": str, "default": lambda value: "yes" if value else "", "path": str}
    return show(kernels, as_json=options.json, text=lambda: show_columns(kernels, columns))


def _kernel_rm(options: Any) -> int:
    with Gaoler() as gaoler:
        gaoler.call("KernelRemove", name=options.name)
    return 0


def _store_info(options: Any) -> int:
    with Gaoler() as gaoler:
        store = gaoler.call("StoreInspect")["store"]
    pairs = [(key, show_size(value) if key in ("total", "free") else value) for key, value in store.items()]
    return show(store, as_json=options.json, text=lambda: show_pairs(pairs))


def _store_init(options: Any) -> int:
    return _gaoler("--make-store", *(["--anew"] if options.anew else []))


def _store_grow(_: Any) -> int:
    return _gaoler("--grow-store")


def _store_move(options: Any) -> int:
    return _gaoler("--move-store", options.to)


def _gaoler(*words: str) -> int:
    """The daemon's own program: without a store there is no daemon to ask, and it reads the configuration as it is now."""
    import subprocess

    from gaoler.cli.programs import gaoler_program

    return subprocess.run([gaoler_program(), *words], check=False).returncode


COMMANDS = {
    "kernel build": Command(
        _kernel_build,
        "Fetch, patch and build the kernel, or take it from the cache.",
        option("--series", value="SERIES", about="for instance 7.2 (default: the newest that there are patches for)"),
        JSON,
    ),
    "kernel ls": Command(_kernel_ls, "List the kernels that machines run.", JSON),
    "kernel rm": Command(_kernel_rm, "Delete a kernel that no machine uses.", place("KERNEL", "the kernel", key="name")),
    "store info": Command(
        _store_info, "Show the size of the file system that holds bases and machines, and how much of it is free.", JSON
    ),
    "store init": Command(
        _store_init,
        "Create and mount the store as configured (root). A file system that is there is never overwritten.",
        flag("--anew", about="begin with an empty store, though the one before had machines"),
    ),
    "store grow": Command(
        _store_grow,
        "Let the store take what store.size gives its image by now, or what its device has become (root). Machines run on.",
    ),
    "store move": Command(
        _store_move,
        "Move the store to an empty device, with all bases and machines, which run on (root). "
        "The same command again goes on where it was interrupted. The configuration names the device afterwards.",
        option("--to", value="DEVICE", about="the device", needed=True),
        examples=(("sudo gaol store move --to /dev/vg0/uml", ""),),
    ),
    "metrics": Command(_metrics, "Print metrics in the text format of Prometheus (administrator)."),
}
