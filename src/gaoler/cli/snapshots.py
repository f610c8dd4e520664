"""snapshot, restore, clone: a machine is a subvolume, so these take milliseconds."""

from __future__ import annotations

import sys

from gaoler.cli.arguments import Parser, add_name
from gaoler.cli.output import clean, show_json
from gaoler.client import Gaoler

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def main(command: str, arguments: list[str]) -> int:
    if command == "snapshot":
        return _snapshot(arguments)
    method, second, description = _COMMANDS[command]
    parser = Parser(command, description)
    add_name(parser)
    parser.add_argument(second, metavar=second.upper())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        reply = gaoler.call(method, name=options.name, **{second: getattr(options, second)})
    _tell(reply)
    if options.json:
        show_json(reply)
    return 0


def _snapshot(arguments: list[str]) -> int:
    parser = Parser("snapshot", "Remember a machine's files as they are now.")
    add_name(parser)
    parser.add_argument("tag", metavar="TAG", nargs="?")
    parser.add_argument("--delete", action="store_true", help="forget the snapshot TAG")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.delete and options.tag is None:
        parser.error(f"which snapshot to delete? gaol info {options.name} lists them")
    with Gaoler() as gaoler:
        reply = gaoler.call("SnapshotRemove" if options.delete else "Snapshot", name=options.name, tag=options.tag)
    _tell(reply)
    if options.json:
        show_json(reply)
    elif not options.delete:
        print(clean(reply["tag"]))
    return 0


def _tell(reply: dict[str, Any]) -> None:
    if "note" in reply:
        print(f"gaol: {clean(reply['note'])}", file=sys.stderr)


_COMMANDS = {
    "restore": ("Restore", "tag", "Put a stopped machine's files back as a snapshot has them."),
    "clone": ("Clone", "new", "A new machine with the files of another."),
}
