"""snapshot, restore, clone: a machine is a subvolume, so these take milliseconds."""

from __future__ import annotations

import sys

from gaoler.cli.arguments import JSON, MACHINE, Command, flag, option, place
from gaoler.cli.output import clean, show, show_columns, show_time
from gaoler.client import Gaoler
from gaoler.errors import Usage
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    from gaoler.cli.output import Columns


def _snapshot(options: Any) -> int:
    if options.list:
        return _list(options)
    if options.delete and options.tag is None:
        raise Usage("no snapshot named", "TAG is missing", f"gaol snapshot {options.name} --list")
    with Gaoler() as gaoler:
        if options.delete:
            reply = gaoler.call("SnapshotRemove", tag=options.tag, name=options.name)
        else:
            reply = gaoler.call("Snapshot", tag=options.tag, name=options.name, memory=options.memory)
    _note(reply)
    return show(reply, as_json=options.json, text=None if options.delete else lambda: print(clean(reply["tag"])))


def _list(options: Any) -> int:
    with Gaoler() as gaoler:
        found = gaoler.call("SnapshotList", name=options.name)["snapshots"]
    return show(found, as_json=options.json, text=lambda: _table(options.name, found))


def _table(name: str, found: list[dict[str, Any]]) -> None:
    if not found:
        print(f"no snapshots yet; try: gaol snapshot {clean(name)} before-upgrade")
        return
    columns: Columns = {"tag": str, "taken": show_time}
    if any(one["held"] is not None for one in found):
        columns["held"] = lambda value: "" if value is None else show_size(value)
    if any(one["memory"] for one in found):
        columns["memory"] = lambda value: "yes" if value else ""
    show_columns(found, columns)


def _restore(options: Any) -> int:
    if options.removed:
        return _have_back(options)
    if options.new or options.name is None or options.tag is None:
        if options.new:
            raise Usage("--as belongs to --removed", "a snapshot is restored in place", "gaol clone --help")
        what = "machine" if options.name is None else "snapshot"
        raise Usage(f"no {what} named", "NAME and TAG are needed", f"gaol snapshot {options.name or 'NAME'} --list")
    with Gaoler() as gaoler:
        reply = gaoler.call("Restore", tag=options.tag, name=options.name, files=options.files)
    _note(reply)
    told = f"{options.name} is as it was at {options.tag}; your home directory is as it is now"
    return show(reply, as_json=options.json, text=lambda: print(clean(told)))


def _have_back(options: Any) -> int:
    if options.tag is not None or options.files:
        raise Usage("a snapshot can't be combined with --removed", "first the machine, then its snapshot", "gaol ls --removed")
    with Gaoler() as gaoler:
        machine = gaoler.call("RemovedRestore", name=options.name, new=options.new)["machine"]
    told = f"{machine['name']} is back, stopped; gaol up {machine['name']} starts it"
    return show(machine, as_json=options.json, text=lambda: print(clean(told)))


def _clone(options: Any) -> int:
    with Gaoler() as gaoler:
        reply = gaoler.call("Clone", new=options.new, name=options.name, running=options.running)
    _note(reply)
    new = reply["machine"]
    made = f"{new['name']}  made from {options.name}, stopped; gaol up {new['name']} starts it"
    if options.running:
        made = f"{new['name']}  {new['address'] or new['address6'] or '-'}"
    return show(reply, as_json=options.json, text=lambda: print(clean(made)))


def _note(reply: dict[str, Any]) -> None:
    if "note" in reply:
        print(f"gaol: {clean(reply['note'])}", file=sys.stderr)


COMMANDS = {
    "snapshot": Command(
        _snapshot,
        "Save a machine's files as they are now, to go back to later. It may be running. Your home directory is not included.",
        MACHINE,
        place("TAG", "the name of the snapshot (default: the date and time)", optional=True),
        flag("--memory", about="save what runs in it, too: restore goes on where it was"),
        flag("--list", "-l", about="list the machine's snapshots: when each was taken, and what it holds where that is counted"),
        flag("--delete", about="delete the snapshot TAG"),
        JSON,
        examples=(("gaol snapshot web before-upgrade", ""), ("gaol snapshot web before-upgrade --delete", "")),
    ),
    "restore": Command(
        _restore,
        "Put a stopped machine's files back as they were at a snapshot. Your home directory stays as it is. "
        "A machine whose snapshot has its memory goes on where it was. With --removed: bring back a machine that was deleted, "
        "with its snapshots; the newest of that name, or of all.",
        place("NAME", "the machine; OWNER/NAME is another user's", optional=True),
        place("TAG", "the snapshot", optional=True),
        flag("--removed", about="a machine that gaol rm deleted; gaol ls --removed lists them"),
        option("--as", value="NEW", about="what to call the removed machine, if its name is taken by now", key="new"),
        flag("--files", about="its files alone, though the snapshot has its memory"),
        JSON,
        examples=(("gaol restore web before-upgrade", ""), ("gaol restore --removed web", "after gaol rm web")),
    ),
    "clone": Command(
        _clone,
        "Make a new machine with the files of another, which may be running. With --running, what runs in that one runs in the "
        "new one, too, and goes on from the same moment; the new one has its own name, address and keys. Connections stay with "
        "the first.",
        MACHINE,
        place("NEW", "the new machine's name"),
        flag("--running", about="a second running machine: the same programs, with the same memory, from the same moment on"),
        JSON,
        examples=(("gaol clone web web2", ""), ("gaol clone web try-it --running", "a copy to try something in")),
    ),
}
