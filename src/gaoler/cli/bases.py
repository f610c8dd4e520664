"""publish, base: the trees that machines are cloned from."""

from __future__ import annotations

import sys

from gaoler.cli import terminal
from gaoler.cli.arguments import JSON, MACHINE, Command, flag, option, place
from gaoler.cli.base_settings import told
from gaoler.cli.output import Progress, clean, or_dash, show, show_columns, show_pairs, show_time
from gaoler.client import Gaoler
from gaoler.errors import Failed, NotFound, Usage
from gaoler.units import show_duration, show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    from gaoler.cli.output import Columns

_SOURCES = (
    option(
        "--rsync",
        value="MASTER",
        about="a master: HOST::MODULE, rsync://HOST/MODULE, USER@HOST:PATH, or a directory of this host",
    ),
    flag("--pacstrap", about="Arch, from the packages of a mirror"),
    option("--mmdebstrap", value="SUITE", about="Debian, for instance bookworm"),
    option("--oci", value="IMAGE", about="an OCI image: the path of a layout or an archive, or a name in a registry"),
    option("--tar", value="FILE", about="an archive of a root tree"),
    option("--machine", value="NAME", about="a machine as it is now; OWNER/NAME is another user's"),
    option("--directory", value="PATH", about="a copy of a directory tree of this host"),
)
_DESKTOP = flag(
    "--desktop", about="Debian with a desktop: XFCE, Firefox, Chromium, LibreOffice; of SUITE: --mmdebstrap SUITE+desktop"
)


def _publish(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call("Publish", progress, base=options.base, name=options.name, keep=options.keep)
    return _show_change(reply, as_json=options.json)


def _ls(options: Any) -> int:
    with Gaoler() as gaoler:
        bases = gaoler.call("BaseList")["bases"]
    columns: Columns = {
        "name": str, "generation": or_dash, "created": show_time, "size": _size, "machines": str, "follows": str,
        "synced": show_time, "result": or_dash, "source": or_dash,
    }  # fmt: skip

    def row(base: dict[str, Any]) -> dict[str, Any]:
        failures = base["failures"]
        return {**base, "follows": _follows(base), "result": f"failed {failures} times" if failures > 1 else base["result"]}

    if any(told(base) for base in bases):
        columns["machines get"] = str
    rows = [{**row(base), "machines get": told(base)} for base in bases]
    return show(bases, as_json=options.json, text=lambda: show_columns(rows, columns))


def _follows(base: dict[str, Any]) -> str:
    if base["syncing"]:
        return "syncing"
    if base["held"]:
        return "held"
    return f"every {show_duration(base['interval'])}" if base["interval"] else "by hand"


def _size(value: int | None) -> str:
    return "-" if value is None else show_size(value)


def _add(options: Any) -> int:
    if options.desktop:
        source: str = "mmdebstrap"
        argument: Any = "+desktop"
    else:
        source = next(one.key for one in _SOURCES if getattr(options, one.key))
        argument = getattr(options, source)
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call(
            "BaseAdd", progress,
            name=options.name, source=source, argument="" if argument is True else argument,
            mirror=options.mirror, keyring=options.keyring, replace=options.replace,
        )  # fmt: skip
    return _show_change(reply, as_json=options.json)


def _sync(options: Any) -> int:
    if options.due == (options.name is not None):
        raise Usage("no base named", "name one, or say --due for all that are due", "gaol base ls")
    with Gaoler() as gaoler, Progress() as progress:
        reply = gaoler.call("BaseSync", progress, name=options.name, shrink=options.shrink)
    if options.name:
        return _show_change(reply, as_json=options.json)
    bases = reply["bases"]
    show(bases, as_json=options.json, text=lambda: print("\n".join(clean(f"{base['name']}  {base['result']}") for base in bases)))
    return 1 if any(base["result"] == "failed" for base in bases) else 0


def _rollback(options: Any) -> int:
    with Gaoler() as gaoler:
        reply = gaoler.call("BaseRollback", name=options.name, generation=options.generation)
    return _show_change(reply, as_json=options.json)


def _show_change(reply: dict[str, Any], *, as_json: bool) -> int:
    return show(reply["base"], as_json=as_json, text=lambda: _tell_change(reply))


def _tell_change(reply: dict[str, Any]) -> None:
    base, new = reply["base"], reply.get("new")
    told = {True: _numbers(base), False: ", unchanged", None: ""}[new]
    print(clean(f"{base['name']}  generation {base['generation']}{told}"))
    for lack in base["lacks"] if new else ():
        print(clean(f"note: {lack}"), file=sys.stderr)


def _numbers(base: dict[str, Any]) -> str:
    """What a sync has made."""
    parts = [f"{base['files']} files, {show_size(base['size'])}"]
    if base["moved_files"] is not None:
        parts.append(f"{base['moved_files']} changed, {show_size(base['moved_bytes'])} moved")
    return f": {'; '.join(parts)}; {base['seconds']:.1f} s"


def _info(options: Any) -> int:
    with Gaoler() as gaoler:
        reply = gaoler.call("BaseInspect", name=options.name)
    base = reply["base"]
    more = {key: reply[key] for key in ("generations", "standing") if key in reply}
    return show({**base, **more}, as_json=options.json, text=lambda: _tell(base, reply.get("standing", [])))


def _tell(base: dict[str, Any], standing: list[dict[str, Any]]) -> None:
    synced = f"{show_time(base['synced'])}, {base['result']}, {base['seconds']:.1f} s" if base["synced"] else None
    good = f"{show_time(base['good'])}; {base['failures']} failed since" if base["failures"] else None
    lines = [
        ("name", base["name"]),
        ("generation", f"{or_dash(base['generation'])}, of {show_time(base['created'])}"),
        ("source", or_dash(base["source"])),
        ("files", or_dash(base["files"])),
        ("size", _size(base["size"])),
        ("machines", base["machines"]),
        *[("", _stands(one, base["generation"])) for one in standing],
        *([("they get", told(base))] if told(base) else []),
        *[("welcome" if number == 0 else "", line) for number, line in enumerate(_welcome(base))],
        ("follows", _follows(base)),
        ("last sync", or_dash(synced)),
        *([("why", base["reason"])] if base["reason"] else []),
        *([("last good", good)] if good else []),
        *[("lacks" if number == 0 else "", lack) for number, lack in enumerate(base["lacks"])],
    ]
    show_pairs(lines)


def _welcome(base: dict[str, Any]) -> list[str]:
    return str((base.get("defaults") or {}).get("welcome", "")).splitlines()


def _stands(one: dict[str, Any], current: str | None) -> str:
    """`alice/web, generation 1 (there is a newer one), ready`."""
    generation = f", generation {one['generation']}" if one["generation"] else ""
    older = " (there is a newer one)" if generation and current and one["generation"] != current else ""
    return f"{one['owner']}/{one['name']}{generation}{older}, {one['state']}"


def _history(options: Any) -> int:
    with Gaoler() as gaoler:
        generations = gaoler.call("BaseInspect", name=options.name)["generations"]
    columns: Columns = {
        "generation": str, "current": lambda value: "yes" if value else "", "created": show_time, "machines": str,
        "files": str, "size": _size, "moved_files": or_dash, "moved_bytes": _size, "source": str,
    }  # fmt: skip
    return show(generations, as_json=options.json, text=lambda: show_columns(generations, columns))


def _rm(options: Any) -> int:
    with Gaoler() as gaoler:
        holds = _holds(gaoler, options.name)
        if holds and not options.yes and terminal.can_ask():
            print(clean(f"{options.name}: {holds}"))
            if not terminal.agrees("Delete it?"):
                raise Failed("nothing was deleted", "you did not say yes", "gaol base ls")
        gaoler.call("BaseRemove", name=options.name, default=options.default)
    print(clean(f"deleted {options.name}: {holds or 'what there was of it'}"))
    return 0


def _holds(gaoler: Gaoler, name: str) -> str:
    """What goes with a base; nothing where its first sync was cut short, or where there is no such base."""
    try:
        reply = gaoler.call("BaseInspect", name=name)
    except NotFound:
        return ""
    count, machines = len(reply["generations"]), reply["base"]["machines"]
    made = f"{machines} machine{'s' if machines > 1 else ''} made from it{_names(reply.get('standing'))}"
    users = f"; {made} keep{'s' if machines == 1 else ''} {'its' if machines == 1 else 'their'} files" if machines else ""
    return f"{count} generation{'s' if count != 1 else ''}{users}"


def _names(standing: list[dict[str, Any]] | None) -> str:
    """Whose machines stand on a base, for whoever may change it; others may not know."""
    names = [f"{one['owner']}/{one['name']}" for one in standing or ()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" ({', '.join(names[:_NAMED])}{more})" if names else ""


_NAMED = 8
"""Machines that are told by their names."""
_BASE = place("BASE", "the base", key="name")

COMMANDS = {
    "publish": Command(
        _publish,
        "Turn a machine's files, as they are now, into a base that others can clone. Homes, accounts, passwords, keys and logs "
        "are left out, and what root's home holds.",
        MACHINE,
        place("BASE", "a new base, or one that you published before"),
        option("--keep", value="PATH", about="take this of root's home, or a key, along; may be given again", many=True),
        JSON,
        examples=(
            ("gaol publish prepared databases", ""),
            ("gaol publish prepared databases --keep /root/.vimrc --keep /root/tools", "with these of root's own"),
        ),
    ),
    "base ls": Command(_ls, "List the bases that machines are cloned from.", JSON),
    "base info": Command(
        _info,
        "Show everything about a base, and why it is not up to date; to whoever may change it, also which machines stand on it.",
        _BASE,
        JSON,
    ),
    "base history": Command(_history, "List the generations of a base that are still there, oldest first.", _BASE, JSON),
    "base add": Command(
        _add,
        "Make a base: a tree that machines are cloned from.",
        place("BASE", "its name", key="name"),
        *_SOURCES,
        _DESKTOP,
        option("--mirror", value="URL", about="where packages come from (default: where this host gets its own)"),
        option("--keyring", value="FILE", about="the public keys that packages of --pacstrap are signed with"),
        flag("--replace", about="replace a base of that name that came from another source"),
        JSON,
        examples=(
            ("gaol base add trixie --mmdebstrap trixie", ""),
            ("gaol base add debian-desktop --desktop", "which gaol desktop makes machines from"),
            ("gaol base add lab --rsync master.example.org::lab", ""),
        ),
        one_of=tuple(one.key for one in (*_SOURCES, _DESKTOP)),
    ),
    "base sync": Command(
        _sync,
        "Bring a base up to date from where it came from.",
        place("BASE", "the base", optional=True, key="name"),
        flag("--due", about="every base whose interval has passed"),
        flag("--shrink", about="even if that removes most of its files"),
        JSON,
    ),
    "base rollback": Command(
        _rollback,
        "Make an older generation the current one, until the next sync by hand.",
        _BASE,
        place("GENERATION", "which one (default: the one before)", optional=True),
        JSON,
    ),
    "base rm": Command(
        _rm,
        "Delete a base with its generations. Machines keep their files. On a terminal it says which they are, and asks first.",
        _BASE,
        flag("--yes", "-y", about="don't ask"),
        flag("--default", about="even the base of machines that name none"),
    ),
}
