"""store backup, store restore: machines as streams, kept in a directory or by ssh."""

from __future__ import annotations

import os
import sys

from gaoler.cli.arguments import JSON, Command, flag, option, place
from gaoler.cli.output import clean, show, show_columns, show_time
from gaoler.client import Gaoler
from gaoler.errors import Failed, GaolerError, NotAllowed, NotFound, Usage
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gaoler.cli.output import Columns
    from gaoler.cli.vault import Vault

_PIECE = 1 << 20


def _backup(options: Any) -> int:
    from gaoler.cli import vault

    most = _most(options.keep)
    with Gaoler() as gaoler:
        _outside_of_the_store(gaoler, options.to)
        wanted = _chosen(options, gaoler.machines(everybody=True), may_be_none=True)
        kept = vault.opened(options.to, make=True)
        kept.begin()
        done, failed = [], []
        for machine in wanted:
            name = f"{machine['owner']}/{machine['name']}"
            try:
                done.append(_backed_up(gaoler, kept, name, options))
            except GaolerError as error:
                if len(wanted) == 1:
                    raise
                print(f"gaol: {clean(name)}: {clean(error)}", file=sys.stderr)
                failed.append(name)
    if most:
        kept.prune(most)
    show(done, as_json=options.json, text=lambda: _told(done))
    if failed:
        raise Failed(f"{len(failed)} of {len(wanted)} machines were not backed up", ", ".join(failed), "gaol doctor")
    return 0


def _backed_up(gaoler: Gaoler, kept: Vault, name: str, options: Any) -> dict[str, Any]:
    import time

    taken, sent = time.time(), 0
    asked = {"name": name, "target": kept.id, "kept": list(kept.trees), "full": options.full, "snapshots": options.snapshots}
    trees: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    replies = gaoler.replies("StoreBackup", asked)
    for last in replies:
        for note in trees:  # what came before this reply was whole
            if note["tree"] not in kept.trees:
                kept.note(f"trees/{note['tree']}.json", note)
                kept.trees[note["tree"]] = note
        if "record" in last:
            break
        (descriptor,) = gaoler.descriptors()
        with kept.writing(f"trees/{last['tree']}.btrfs") as file:
            count = _copied(descriptor, file.write)
        trees.append({"tree": last["tree"], "parent": last.get("parent"), "bytes": count})
        sent += count
    for _ in replies:
        pass
    made = {"owner": last["owner"], "name": last["name"], "id": last["id"], "taken": taken}
    note = {**made, "tree": last["tree"], "snapshots": last["snapshots"], "record": last["record"]}
    kept.add(f"machines/{last['owner']}/{last['name']}.{last['id']}/{int(taken * 1000):014d}.json", note)
    return {**made, "bytes": sent, "since": last["parent"] is not None and not any(one["parent"] is None for one in trees)}


def _copied(descriptor: int, write: Callable[[bytes], object]) -> int:
    count = 0
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            write(piece)
            count += len(piece)
    return count


def _restore(options: Any) -> int:
    from gaoler.cli import vault

    kept = vault.opened(options.source)
    newest = {one["id"]: one for one in kept.backups}
    if options.list:
        return _list(kept, as_json=options.json)
    wanted = _chosen(options, list(newest.values()))
    owner, _, name = (options.as_ or "").rpartition("/")
    if options.as_ and (len(wanted) != 1 or not name):
        raise Usage("--as names one machine", f"{len(wanted)} are to be restored", "gaol store restore --help")
    machines, trees = [], []
    for one in wanted:
        snapshots = one["snapshots"] if options.snapshots else {}
        for tree in (*snapshots.values(), one["tree"]):
            trees += [part for part in kept.needed(tree) if part not in trees]
        to = {"owner": owner or one["owner"], "name": name or one["name"], "given": bool(owner)}
        machines.append({**to, "record": one["record"], "tree": one["tree"], "snapshots": snapshots})
    last: dict[str, Any] = {}
    with Gaoler() as gaoler:
        for last in gaoler.replies("StoreRestore", {"machines": machines, "trees": trees}):
            if "tree" in last:
                (descriptor,) = gaoler.descriptors()
                _give(kept, last["tree"], descriptor)
    made = [f"{one['owner']}/{one['name']}" for one in last["machines"]]
    return show(last["machines"], as_json=options.json, text=lambda: print(clean("\n".join(made), keep="\n")))


def _give(kept: Vault, tree: str, descriptor: int) -> None:
    with kept.reading(f"trees/{tree}.btrfs") as file, os.fdopen(descriptor, "wb", buffering=0) as stream:
        try:
            while piece := file.read(_PIECE):
                view = memoryview(piece)
                while view:
                    view = view[stream.write(view) :]
        except BrokenPipeError:
            return  # the daemon says why


def _list(kept: Vault, *, as_json: bool) -> int:
    rows = [
        {
            "owner": one["owner"],
            "name": one["name"],
            "taken": one["taken"],
            "bytes": kept.trees.get(one["tree"], {}).get("bytes"),
            "snapshots": sorted(one["snapshots"]),
        }
        for one in kept.backups
    ]
    columns: Columns = {"owner": str, "name": str, "taken": show_time, "bytes": show_size, "snapshots": ", ".join}
    return show(rows, as_json=as_json, text=lambda: show_columns(rows, columns))


def _told(done: list[dict[str, Any]]) -> None:
    for one in done:
        what = "what has changed" if one["since"] else "all of it"
        print(clean(f"{one['owner']}/{one['name']}  {show_size(one['bytes'])}, {what}"))


def _chosen(options: Any, there: list[dict[str, Any]], *, may_be_none: bool = False) -> list[dict[str, Any]]:
    """One machine, one owner's, or all. Raises Usage, NotFound."""
    if sum(map(bool, (options.name, options.owner, options.all))) != 1:
        hint = "gaol store backup --all --to DIRECTORY"
        raise Usage("it is not said which machines", "one of OWNER/NAME, --owner and --all is needed", hint)
    owner, _, name = (options.name or "").rpartition("/")
    if options.name and not owner:
        raise Usage(f"whose {name[:40]} is not said", "it may be anybody's", f"gaol store backup OWNER/{name[:40]}")
    found = [
        one for one in there if options.all or one["owner"] == (options.owner or owner) and (not name or one["name"] == name)
    ]
    if not found and not (options.all and may_be_none):
        whose = options.name or (f"of {options.owner}" if options.owner else "at all")
        raise NotFound(f"no machine {whose}", "there is none", "gaol ls --all; gaol store restore --list")
    return found


def _outside_of_the_store(gaoler: Gaoler, to: str) -> None:
    store = os.path.realpath(gaoler.call("StoreInspect")["store"]["path"])
    if ":" not in to.partition("/")[0] and os.path.commonpath([os.path.realpath(to), store]) == store:
        raise NotAllowed(f"backups can't be kept in {to}", "that is in the store itself, and would be lost with it", "df -h")


def _most(text: str | None) -> int:
    if text is not None and not (text.isdigit() and int(text)):
        raise Usage(f'"{text[:40]}" is not a number of backups', "1 at least", "--keep 7")
    return int(text or 0)


_WHICH = (
    place("OWNER/NAME", "the machine", optional=True, key="name"),
    option("--owner", value="USER", about="all machines of one user"),
    flag("--all", about="everybody's machines"),
)

COMMANDS = {
    "store backup": Command(
        _backup,
        "Back up machines, running or not, as what has changed since the last time (root). A machine that runs is backed up as "
        "after a power cut. Bases come along, once each. Homes are not in machines, and not in their backups.",
        *_WHICH,
        option("--to", value="PLACE", about="a directory that root alone may write, or HOST:DIRECTORY by ssh", needed=True),
        flag("--full", about="not only what has changed"),
        flag("--snapshots", about="with the machines' snapshots"),
        option("--keep", value="N", about="afterwards delete all but the newest N backups of each machine"),
        JSON,
        examples=(
            ("sudo gaol store backup --all --to /srv/backup", ""),
            ("sudo gaol store backup alice/web --to backup@vault:gaoler", ""),
        ),
    ),
    "store restore": Command(
        _restore,
        "Make machines from their newest backups (root). None that is there is overwritten.",
        *_WHICH,
        option("--from", value="PLACE", about="where the backups are", needed=True, key="source"),
        option("--as", value="OWNER/NAME", about="under another name, or for another user", key="as_"),
        flag("--snapshots", about="with the machines' snapshots"),
        flag("--list", about="list the backups that are there"),
        JSON,
        examples=(
            ("sudo gaol store restore --list --from /srv/backup", ""),
            ("sudo gaol store restore alice/web --as alice/web-before --from /srv/backup", ""),
        ),
    ),
}
