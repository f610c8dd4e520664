"""base, kernel, store: what the administrator of the host looks after."""

from __future__ import annotations

import time
from typing import Any

from gaoler.cli.arguments import Parser
from gaoler.cli.output import Progress, show_json, show_pairs, show_table
from gaoler.client import Gaoler
from gaoler.errors import Usage
from gaoler.wire.limits import show_size


def main(command: str, arguments: list[str]) -> int:
    verbs = _COMMANDS[command]
    if not arguments or arguments[0] not in verbs:
        wanted = ", ".join(verbs)
        if arguments and arguments[0] in ("-h", "--help"):
            print(f"usage: gaol {command} {{{wanted}}} ...")
            return 0
        raise Usage(f"gaol {command} does one of: {wanted}", "", f"gaol {command} {next(iter(verbs))}")
    return verbs[arguments[0]](arguments[1:])  # type: ignore[no-any-return]


def _listing(title: str, description: str, method: str, key: str, arguments: list[str], columns: dict[str, Any]) -> int:
    parser = Parser(title, description)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        found = gaoler.call(method)[key]
    if options.json:
        show_json(found)
    else:
        show_table([name.upper() for name in columns], [[show(row[name]) for name, show in columns.items()] for row in found])
    return 0


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _time(value: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value)) if value else "-"


def _base_ls(arguments: list[str]) -> int:
    columns = {"name": str, "generation": _or_dash, "created": _time, "machines": str, "source": _or_dash}
    return _listing("base ls", "The trees that machines are cloned from.", "BaseList", "bases", arguments, columns)


def _base_add(arguments: list[str]) -> int:
    parser = Parser("base add", "Make a base: a tree that machines are cloned from.")
    parser.add_argument("name", metavar="NAME")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--mmdebstrap", metavar="SUITE", help="Debian, for instance bookworm")
    source.add_argument("--directory", metavar="PATH", help="a copy of a directory tree of this host")
    parser.add_argument("--mirror", metavar="URL", help="where packages come from (as the host's own apt without it)")
    options = parser.parse_args(arguments)
    kind, argument = ("mmdebstrap", options.mmdebstrap) if options.mmdebstrap else ("directory", options.directory)
    with Gaoler() as gaoler, Progress() as progress:
        gaoler.call("BaseAdd", progress, name=options.name, source=kind, argument=argument, mirror=options.mirror)
    return 0


def _removal(what: str, method: str, arguments: list[str]) -> int:
    parser = Parser(f"{what} rm", f"Remove a {what} that no machine uses.")
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        gaoler.call(method, name=options.name)
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
    return _listing("kernel ls", "The kernels that machines run.", "KernelList", "kernels", arguments, columns)


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


_COMMANDS: dict[str, dict[str, Any]] = {
    "base": {"ls": _base_ls, "add": _base_add, "rm": lambda rest: _removal("base", "BaseRemove", rest)},
    "kernel": {"build": _kernel_build, "ls": _kernel_ls, "rm": lambda rest: _removal("kernel", "KernelRemove", rest)},
    "store": {"info": _store_info, "init": _store_init},
}
