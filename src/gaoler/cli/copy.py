"""cp: files and directories into a machine or out of it, as a tar stream through a session.

What comes out of a machine is hostile: Python's `data` filter keeps it inside the destination.
"""

from __future__ import annotations

import os
import tarfile
import threading
from pathlib import Path
from typing import Any

from gaoler.cli.arguments import Parser, split_owner
from gaoler.cli.output import clean
from gaoler.client import Gaoler
from gaoler.client.session import Session
from gaoler.errors import Failed, NotFound, Usage

_NAME_WITH_PATH = "NAME:path"


def main(command: str, arguments: list[str]) -> int:
    parser = Parser(command, "Copy files into a machine or out of it.", usage="gaol cp [--user USER] SRC DST")
    parser.add_argument("--user", default="root", metavar="USER", help="whose the files inside are")
    parser.add_argument("source", metavar="SRC", help=f"a path, or {_NAME_WITH_PATH}")
    parser.add_argument("target", metavar="DST", help=f"a path, or {_NAME_WITH_PATH}")
    options = parser.parse_args(arguments)
    source, target = _split(options.source), _split(options.target)
    if (source is None) == (target is None):
        raise Usage("one side must be in a machine, the other here", f"write that side as {_NAME_WITH_PATH}", "gaol cp --help")
    if target is not None:
        _copy_in(Path(options.source), *target, options.user)
    elif source is not None:
        _copy_out(*source, Path(options.target), options.user)
    return 0


def _split(word: str) -> tuple[str, str] | None:
    name, colon, path = word.partition(":")
    return (name, path or ".") if colon and "/" not in name.partition("/")[2] and not word.startswith(("/", ".")) else None


def _copy_in(source: Path, name: str, path: str, user: str) -> None:
    if not os.path.lexists(source):
        raise NotFound(f"no file {source}", "", "ls")
    # The machine decides as cp does: into the target when that is a directory, as the target when it is not.
    script = 'if [ -d "$1" ]; then cd "$1" && exec tar -xf -; fi; case "$1" in */) mkdir -p "$1" && cd "$1" && exec tar -xf -;; esac; ' \
             'd=$(mktemp -d "$(dirname "$1")/.gaol-cp.XXXXXX") && tar -xf - -C "$d" && mv -T "$d/$2" "$1"; s=$?; rmdir "$d"; exit $s'  # fmt: skip
    reader, writer = os.pipe()

    def feed() -> None:
        try:
            with os.fdopen(writer, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
                archive.add(source, arcname=source.resolve().name, filter=_anonymous)
        except BrokenPipeError:
            pass  # the other end failed, and says so itself

    feeder = threading.Thread(target=feed, daemon=True)
    _transfer(name, ["sh", "-c", script, "cp", path, source.resolve().name], user, reader, None, feeder)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Files belong to whoever unpacks them inside, not to ids of this host."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _copy_out(name: str, path: str, target: Path, user: str) -> None:
    reader, writer = os.pipe()
    problems: list[Exception] = []
    into = target.is_dir()

    def unpack() -> None:
        try:
            with os.fdopen(reader, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    _place(archive, member, target, into)
        except (tarfile.TarError, OSError) as error:
            problems.append(error)

    unpacker = threading.Thread(target=unpack)
    script = 'cd "$(dirname "$1")" && exec tar -cf - -- "$(basename "$1")"'
    _transfer(name, ["sh", "-c", script, "cp", path], user, None, writer, unpacker)
    if problems:
        raise Failed(f"can't write {target}", clean(problems[0]), "")


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, into: bool) -> None:
    top, _, rest = member.name.partition("/")
    parent, first = (target, top) if into else (target.parent, target.name)
    member.name = f"{first}/{rest}" if rest else first
    if member.islnk():
        linked = member.linkname.partition("/")[2]
        member.linkname = f"{first}/{linked}" if linked else first
    archive.extract(member, parent, filter="data")


def _transfer(
    name: str, arguments: list[str], user: str, stdin: int | None, stdout: int | None, partner: threading.Thread
) -> None:
    command: dict[str, Any] = {"arguments": arguments, "user": user}
    with Gaoler() as gaoler:
        gaoler.call("Exec", command=command, **split_owner(name))
        session = Session(gaoler.descriptors())
        partner.start()
        sink = os.open(os.devnull, os.O_WRONLY) if stdout is None else stdout
        code = session.copy(stdin, [sink, 2])
        os.close(sink)
        if stdin is not None:
            os.close(stdin)
    partner.join()
    if code:
        raise Failed("not copied", session.complaint or f"tar inside ended with {code}", f"gaol exec {name} -- ls")
