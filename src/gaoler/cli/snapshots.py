"""snapshot, restore, clone: a machine is a subvolume, so these take milliseconds."""

from __future__ import annotations

from gaoler.cli.arguments import Parser, add_name
from gaoler.cli.output import clean, show_json
from gaoler.client import Gaoler


def main(command: str, arguments: list[str]) -> int:
    method, second, description = _COMMANDS[command]
    parser = Parser(command, description)
    add_name(parser)
    parser.add_argument(second, metavar=second.upper(), nargs="?" if second == "tag" and command == "snapshot" else None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Gaoler() as gaoler:
        reply = gaoler.call(method, name=options.name, **{second: getattr(options, second)})
    if options.json:
        show_json(reply)
    elif command == "snapshot":
        print(clean(reply["tag"]))
    return 0


_COMMANDS = {
    "snapshot": ("Snapshot", "tag", "Remember a machine's files as they are now."),
    "restore": ("Restore", "tag", "Put a stopped machine's files back as a snapshot has them."),
    "clone": ("Clone", "new", "A new machine with the files of another."),
}
