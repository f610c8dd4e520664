"""kernel, store, metrics: what the administrator of the host looks after."""

from __future__ import annotations

from gaoler.cli import verbs
from gaoler.cli.arguments import Parser
from gaoler.cli.output import Progress, clean, show_json, show_pairs
from gaoler.client import Gaoler
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from gaoler.cli.verbs import Verb


def main(command: str, arguments: list[str]) -> int:
    return _metrics(arguments) if command == "metrics" else verbs.run(command, _COMMANDS[command], arguments)


def _metrics(arguments: list[str]) -> int:
    parser = Parser("metrics", "What is counted and measured, in the text format of Prometheus.")
    parser.parse_args(arguments)
    with Gaoler() as gaoler:
        print(clean(gaoler.call("Metrics")["text"], keep="\n"), end="")
    return 0


def _kernel_build(arguments: list[str]) -> int:
    parser = Parser("kernel build", "Fetch, patch and build the kernel, or take it from the cache.")
    parser.add_argument("--series", help="for instance 7.2; the newest that the patches are for without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler, Progress() as progress:
        kernel = gaoler.call("KernelBuild", progress, series=options.series)["kernel"]
    if options.json:
        show_json(kernel)
    else:
        print(f"{kernel['version']}-{kernel['hash']}")
    return 0


def _kernel_ls(arguments: list[str]) -> int:
    columns = {"version": str, "hash": str, "default": lambda value: "yes" if value else "", "path": str}
    return verbs.listing("kernel ls", "The kernels that machines run.", "KernelList", "kernels", arguments, columns)


def _kernel_rm(arguments: list[str]) -> int:
    return verbs.removal("kernel", "KernelRemove", arguments, "Remove a kernel that no machine uses.")


def _store_info(arguments: list[str]) -> int:
    parser = Parser("store info", "The file system that holds bases and machines.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        store = gaoler.call("StoreInspect")["store"]
    if options.json:
        show_json(store)
    else:
        sizes = {"total", "free"}
        show_pairs([(key, show_size(value) if key in sizes else value) for key, value in store.items()])
    return 0


def _store_init(arguments: list[str]) -> int:
    parser = Parser("store init", "Make and mount the store as the configuration says (root).")
    parser.parse_args(arguments)
    import subprocess

    # Without a store there is no daemon to ask: the daemon's own program makes it.
    return subprocess.run(["gaoler", "--make-store"], check=False).returncode


_COMMANDS: dict[str, dict[str, Verb]] = {
    "kernel": {
        "build": (_kernel_build, "fetch, patch and build the kernel, or take it from the cache"),
        "ls": (_kernel_ls, "the kernels that machines run"),
        "rm": (_kernel_rm, "remove one that no machine uses"),
    },
    "store": {
        "info": (_store_info, "its size, and what is free"),
        "init": (_store_init, "make and mount it as the configuration says"),
    },
}
