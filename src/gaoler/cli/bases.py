"""base: the trees that machines are cloned from."""

from __future__ import annotations

import sys

from gaoler.cli import verbs
from gaoler.cli.arguments import Parser
from gaoler.cli.output import Progress, clean, show_json, show_pairs
from gaoler.cli.verbs import or_dash, show_rows, show_time
from gaoler.client import Gaoler
from gaoler.units import show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

_SOURCES = {
    "rsync": ("MASTER", "a master: HOST::MODULE, rsync://HOST/MODULE, USER@HOST:PATH, or a directory of this host"),
    "pacstrap": (None, "Arch, from the packages of a mirror"),
    "mmdebstrap": ("SUITE", "Debian, for instance bookworm"),
    "oci": ("IMAGE", "an OCI image: a layout's or an archive's path, or a name in a registry"),
    "tar": ("FILE", "an archive of a root tree"),
    "machine": ("NAME", "a machine as it is now; OWNER/NAME for another's"),
    "directory": ("PATH", "a copy of a directory tree of this host"),
}


def main(command: str, arguments: list[str]) -> int:
    return _publish(arguments) if command == "publish" else verbs.run(command, _VERBS, arguments)


def _publish(arguments: list[str]) -> int:
    parser = Parser("publish", "Make a machine's files, as they are now, a base that others can clone. Without its owner's home.")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("base", metavar="BASE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call("Publish", progress, name=options.name, base=options.base)
    return _show_change(reply, as_json=options.json)


def _list(arguments: list[str]) -> int:
    columns = {
        "name": str, "generation": or_dash, "created": show_time, "size": _size, "machines": str, "follows": str,
        "synced": show_time, "result": or_dash, "source": or_dash,
    }  # fmt: skip

    def row(base: dict[str, Any]) -> dict[str, Any]:
        failures = base["failures"]
        return {**base, "follows": _follows(base), "result": f"failed {failures} times" if failures > 1 else base["result"]}

    return verbs.listing("base ls", "The trees that machines are cloned from.", "BaseList", "bases", arguments, columns, row)


def _follows(base: dict[str, Any]) -> str:
    if base["syncing"]:
        return "syncing"
    if base["held"]:
        return "held"
    return f"every {show_duration(base['interval'])}" if base["interval"] else "by hand"


def _size(value: int | None) -> str:
    return "-" if value is None else show_size(value)


def _add(arguments: list[str]) -> int:
    parser = Parser("base add", "Make a base: a tree that machines are cloned from.")
    parser.add_argument("name", metavar="NAME")
    group = parser.add_mutually_exclusive_group(required=True)
    for kind, (argument, text) in _SOURCES.items():
        if argument:
            group.add_argument(f"--{kind}", metavar=argument, help=text)
        else:
            group.add_argument(f"--{kind}", action="store_const", const="", help=text)
    parser.add_argument("--mirror", metavar="URL", help="where packages come from (as the host's own without it)")
    parser.add_argument("--keyring", metavar="FILE", help="the public keys that packages of --pacstrap are signed with")
    parser.add_argument("--replace", action="store_true", help="even if there is a base of that name from another source")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    kind = next(kind for kind in _SOURCES if getattr(options, kind) is not None)
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call(
            "BaseAdd", progress,
            name=options.name, source=kind, argument=getattr(options, kind), mirror=options.mirror, keyring=options.keyring,
            replace=options.replace,
        )  # fmt: skip
    return _show_change(reply, as_json=options.json)


def _sync(arguments: list[str]) -> int:
    parser = Parser("base sync", "Bring a base up to date from where it came from.")
    parser.add_argument("name", metavar="NAME", nargs="?")
    parser.add_argument("--due", action="store_true", help="all whose interval has passed, instead of one")
    parser.add_argument("--shrink", action="store_true", help="even if most of its files go away")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.due == (options.name is not None):
        parser.error("one of NAME and --due is needed")
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call("BaseSync", progress, name=options.name, shrink=options.shrink)
    if options.name:
        return _show_change(reply, as_json=options.json)
    if options.json:
        show_json(reply["bases"])
    else:
        for base in reply["bases"]:
            print(clean(f"{base['name']}  {base['result']}"))
    return 1 if any(base["result"] == "failed" for base in reply["bases"]) else 0


def _rollback(arguments: list[str]) -> int:
    parser = Parser("base rollback", "Make an older generation the current one, until the next sync by hand.")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("generation", metavar="GENERATION", nargs="?", help="the one before without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        reply = gaoler.call("BaseRollback", name=options.name, generation=options.generation)
    return _show_change(reply, as_json=options.json)


def _show_change(reply: dict[str, Any], *, as_json: bool) -> int:
    base = reply["base"]
    if as_json:
        show_json(base)
        return 0
    new = reply.get("new")
    told = {True: _told(base), False: ", unchanged", None: ""}[new]
    print(clean(f"{base['name']}  generation {base['generation']}{told}"))
    for lack in base["lacks"] if new else ():
        print(clean(f"note: {lack}"), file=sys.stderr)
    return 0


def _told(base: dict[str, Any]) -> str:
    """What a sync has made, in numbers."""
    parts = [f"{base['files']} files, {show_size(base['size'])}"]
    if base["moved_files"] is not None:
        parts.append(f"{base['moved_files']} changed, {show_size(base['moved_bytes'])} moved")
    return f": {'; '.join(parts)}; {base['seconds']:.1f} s"


def _inspected(title: str, description: str, arguments: list[str]) -> tuple[dict[str, Any], bool]:
    parser = Parser(title, description)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        return gaoler.call("BaseInspect", name=options.name), options.json


def _info(arguments: list[str]) -> int:
    reply, as_json = _inspected("base info", "All about one base.", arguments)
    base = reply["base"]
    if as_json:
        show_json({**base, "generations": reply["generations"]})
        return 0
    synced = f"{show_time(base['synced'])}, {base['result']}, {base['seconds']:.1f} s" if base["synced"] else None
    good = f"{show_time(base['good'])}; {base['failures']} failed since" if base["failures"] else None
    lines = [
        ("name", base["name"]),
        ("generation", f"{or_dash(base['generation'])}, of {show_time(base['created'])}"),
        ("source", or_dash(base["source"])),
        ("files", or_dash(base["files"])),
        ("size", _size(base["size"])),
        ("machines", base["machines"]),
        ("follows", _follows(base)),
        ("last sync", or_dash(synced)),
        *([("why", base["reason"])] if base["reason"] else []),
        *([("last good", good)] if good else []),
        *[("lacks" if number == 0 else "", lack) for number, lack in enumerate(base["lacks"])],
    ]
    show_pairs(lines)
    return 0


def _history(arguments: list[str]) -> int:
    reply, as_json = _inspected("base history", "The generations of a base that are still there, oldest first.", arguments)
    if as_json:
        show_json(reply["generations"])
        return 0
    columns = {
        "generation": str, "current": lambda value: "yes" if value else "", "created": show_time, "machines": str,
        "files": str, "size": _size, "moved_files": or_dash, "moved_bytes": _size, "source": str,
    }  # fmt: skip
    show_rows(reply["generations"], columns)
    return 0


def _remove(arguments: list[str]) -> int:
    return verbs.removal("base", "BaseRemove", arguments, "Remove a base with its generations. Machines keep their files.")


_VERBS = {
    "ls": (_list, "the bases there are"),
    "info": (_info, "all about one, and why it was not brought up to date"),
    "history": (_history, "its generations"),
    "add": (_add, "make one: from a master, packages, an image, a directory"),
    "sync": (_sync, "bring it up to date from where it came from"),
    "rollback": (_rollback, "make an older generation the current one"),
    "rm": (_remove, "remove it; machines keep their files"),
}
