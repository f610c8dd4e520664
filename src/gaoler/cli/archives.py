"""export, import: machines as files."""

from __future__ import annotations

import os
import sys

from gaoler.cli.arguments import JSON, MACHINE, Command, place
from gaoler.cli.output import Progress, clean, show
from gaoler.client import Gaoler
from gaoler.errors import Failed, NotFound, Usage
from gaoler.units import show_size

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

_SHOWN = 5
"""Names of what was left out that are told; JSON has more."""


def _export(options: Any) -> int:
    from gaoler.client import archives

    if options.file == "":
        raise Usage("the archive's file has no name", "it is empty", _example(options.name))
    to_output = options.file in (None, "-")
    if to_output and sys.stdout.isatty():
        why = "say which file it is to be written to"
        raise Usage("an archive can't be written to a terminal", why, _example(options.name))
    if to_output and options.json:
        why = "the archive itself goes to standard output"
        raise Usage("--json needs a file", why, f"gaol export {options.name} FILE --json")
    written = 0
    with Gaoler() as gaoler, Progress() as progress, _sink(options.file) as write:

        def count(piece: bytes) -> None:
            nonlocal written
            write(piece)
            written += len(piece)

        reply = archives.export(gaoler, options.name, count, progress if sys.stderr.isatty() else None)
    report = {"file": None if to_output else options.file, "size": written} | reply
    if not options.json:
        _tell_left_out(reply)
    return show(report, as_json=options.json, text=None if to_output else lambda: _tell(report))


def _example(name: str) -> str:
    return f"gaol export {name} {name.rpartition('/')[2]}.tar.zst"


def _tell(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(clean(f"{report['file']}: {machine['name']}, {show_size(report['size'])}, {report['files']} files"))


def _tell_left_out(reply: dict[str, Any]) -> None:
    machine = reply["machine"]
    stays = [
        *(["your home directory (it is on this host)"] if machine["home"] else []),
        *([f"{len(machine['snapshots'])} snapshots"] if machine["snapshots"] else []),
        *(["what is running now"] if machine["state"] not in ("stopped", "failed") else []),
    ]
    if stays:
        print(clean(f"gaol: not in the archive: {', '.join(stays)}"), file=sys.stderr)
    for line in reply["without"][:_SHOWN]:
        print(clean(f"gaol: left out: {line}"), file=sys.stderr)
    if reply["left_out"] > _SHOWN:
        print(f"gaol: left out: {reply['left_out'] - _SHOWN} more; gaol export --json names them", file=sys.stderr)


def _sink(path: str | None) -> AbstractContextManager[Callable[[bytes], object]]:
    """Where an archive is written to: standard output, or a file that is there when it is whole and not before."""
    from contextlib import contextmanager

    @contextmanager
    def output() -> Iterator[Callable[[bytes], object]]:
        yield lambda piece: _written(sys.stdout.fileno(), piece)

    @contextmanager
    def file(path: str) -> Iterator[Callable[[bytes], object]]:
        if os.path.lexists(path):
            raise _there_already(path)
        part = f"{path}.{os.getpid()}.part"
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            try:
                yield lambda piece: _written(descriptor, piece)
                _finish(descriptor, part, path)
            finally:
                os.close(descriptor)
        except BaseException:
            os.unlink(part)
            raise

    return output() if path in (None, "-") else file(path)


def _finish(descriptor: int, part: str, path: str) -> None:
    """Give what is whole its name; a file that got the name meanwhile stays. Raises Failed."""
    try:
        os.fsync(descriptor)
        try:
            os.link(part, path)
        except FileExistsError:
            raise _there_already(path) from None
        except OSError:  # a file system without links
            if os.path.lexists(path):
                raise _there_already(path) from None
            os.rename(part, path)
        else:
            os.unlink(part)
    except OSError as error:
        raise _unwritable(path, error) from None


def _there_already(path: str) -> Failed:
    from shlex import quote

    return Failed(f"{path} is there already", "an export overwrites no file", f"ls -l {quote(path)}")


def _unwritable(path: str, error: OSError) -> Failed:
    return Failed(f"{path} can't be written", error.strerror or str(error), "gaol export NAME ANOTHER-FILE")


def _written(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise Failed("the archive can't be written", error.strerror or str(error), "df .") from None


def _import(options: Any) -> int:
    from io import FileIO

    from gaoler.client import archives

    from_input = options.file == "-"
    told = "standard input" if from_input else options.file
    try:
        opened = FileIO(os.dup(sys.stdin.fileno()) if from_input else options.file)
    except OSError as error:
        raise NotFound(f"{told} can't be read", error.strerror or str(error), "gaol import --help") from None

    def read(count: int) -> bytes:
        try:
            return file.read(count)
        except OSError as error:
            raise Failed(f"{told} can't be read", error.strerror or str(error), "gaol import --help") from None

    with opened as file, Gaoler() as gaoler, Progress() as progress:
        reply = archives.import_(gaoler, read, options.name, progress if sys.stderr.isatty() else None)
    for note in reply["notes"]:
        print(f"gaol: {clean(note)}", file=sys.stderr)
    return show(reply["machine"], as_json=options.json, text=lambda: _tell_made(reply["machine"]))


def _tell_made(machine: dict[str, Any]) -> None:
    name = machine["name"]
    print(clean(f"{name} is there, without your home directory (gaol set {name} home=on puts it in): gaol up {name}"))


COMMANDS = {
    "export": Command(
        _export,
        "Write a machine to a file, from which gaol import makes a machine, on this host or another. The file is a tar archive, "
        "compressed by zstd: tar and zstd read it, too. A machine that runs is written as it is at that moment. Your home "
        "directory is not in it, nor are snapshots. Without FILE it goes to standard output.",
        MACHINE,
        place("FILE", "the file to write (default: standard output)", optional=True),
        JSON,
        examples=(
            ("gaol export web web.tar.zst", ""),
            ("gaol export web | ssh other gaol import -", "to another host at once"),
        ),
    ),
    "import": Command(
        _import,
        "Make a machine of a file that gaol export wrote. Memory, processors, disk and time to live are as they were, within "
        "what you may have here. It has an address and keys of its own, and not your home directory, which whoever wrote the "
        "file would have in their hands. A file that has what no machine has is refused.",
        place("FILE", "the file; - is standard input"),
        place("NEW", "what to call the machine (default: as the file says)", optional=True, key="name"),
        JSON,
        examples=(("gaol import web.tar.zst", ""), ("gaol import web.tar.zst web-before", "")),
    ),
}
