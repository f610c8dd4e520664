"""cp: files and directories into a machine or out of it, as a tar stream through a session.

What comes out of a machine is hostile: GNU tar keeps it inside the directory that it unpacks in, which is a fresh one, and
without --same-permissions makes no set-id files. Of that only what was asked for, by its name, goes on to the target
(scp's CVE-2019-6111), and only files and directories: a link could lead whoever writes there next to anywhere, and a device is
the host's where root copies. What the machine complains is shown without its controls (CVE-2019-6109), and not without end.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gaoler.cli.arguments import Command, flag, option, place
from gaoler.cli.output import clean
from gaoler.client import Gaoler
from gaoler.client.session import Session
from gaoler.errors import Failed, NotFound, Usage

_COMPLAINTS = 1 << 20
"""Bytes of a machine's complaints that are shown."""
_HEARD = 4096
"""Bytes of our own tar's."""
_TAR_IN = """
if [ -d "$1" ]; then exec tar -xf - -C "$1"; fi
case $1 in */) mkdir -p "$1" && exec tar -xf - -C "$1"; exit ;; esac
into=$(dirname "$1")
[ -d "$into" ] || { echo "gaol: there is not a directory $into in the machine" >&2; exit 1; }
new=$(mktemp -d "$into/.gaol-cp.XXXXXX") || exit
tar -xf - -C "$new" && mv -T "$new/$2" "$1"
code=$?
rm -rf "$new"
exit $code
"""
"""As cp does: into the target where that is a directory, else in its place."""
_TAR_OUT = 'cd "$(dirname "$1")" && exec tar -cf - -- "$(basename "$1")"'


def _cp(options: Any) -> int:
    *sources, target = options.paths
    if not sources:
        raise Usage("no destination", "cp takes what to copy, then where to", "gaol cp --help")
    into = _split(target)
    if into and len(sources) > 1:
        into = into[0], f"{into[1].rstrip('/')}/"  # several go into a directory
    if not into and len(sources) > 1 and not os.path.isdir(target):
        raise Usage(f"{target} is not a directory", "several files are copied into one", "gaol cp --help")
    for source in sources:
        name = _split(source)
        if bool(name) == bool(into):
            raise Usage(
                "one side must be in a machine, the other here", "the side in a machine is written NAME:PATH", "gaol cp --help"
            )
        if into:
            _copy_in(Path(source), *into, options.user)
        elif name:
            _copy_out(*name, Path(target), options.user, links=options.links)
    return 0


def _split(word: str) -> tuple[str, str] | None:
    """NAME and path of a word with a colon; None for a path here. `./a:b` is a path here."""
    name, colon, path = word.partition(":")
    return (name, path or ".") if colon and not word.startswith(("/", ".")) else None


def _copy_in(source: Path, name: str, path: str, user: str) -> None:
    if not os.path.lexists(source):
        raise NotFound(f"no file {source}", "nothing of that name is here", f"ls {source.parent}")
    whole = source.absolute() if source.name else source.resolve()
    argv = ["tar", "-cf", "-", "--owner=0", "--group=0", "-C", str(whole.parent), "--", whole.name]
    with (
        _session(name, [_TAR_IN, "cp", path, whole.name], user) as session,
        subprocess.Popen(argv, stdout=subprocess.PIPE) as tar,
    ):
        assert tar.stdout
        sink = os.open(os.devnull, os.O_WRONLY)
        with _complaints() as errors:
            code = session.copy(tar.stdout.fileno(), [sink, errors])
        os.close(sink)
        _check(session, code, name)
    if tar.returncode:
        raise Failed(f"not all of {source} was copied", "tar says why above", f"ls -lR {source}")


def _copy_out(name: str, path: str, target: Path, user: str, *, links: bool) -> None:
    with _session(name, [_TAR_OUT, "cp", path], user) as session:  # first: who may not do that hears nothing else
        into = target if target.is_dir() else target.parent
        with _scratch(into) as scratch:
            argv = ["tar", "-xf", "-", "--no-same-owner", "--no-same-permissions", "-C", scratch]
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tar:
                assert tar.stdin and tar.stderr
                with _heard(tar.stderr.fileno()) as heard, tar.stdin, _complaints() as errors:
                    code = session.copy(None, [tar.stdin.fileno(), errors])
                complaint = heard.decode(errors="replace")
            _check(session, code, name)
            if tar.returncode:
                raise Failed(f"can't write {target}", " ".join(complaint.split())[:300], f"df {into}")
            wanted = os.path.basename(path.rstrip("/"))
            left = _leave_out(scratch, links=links)
            for entry in Path(scratch).iterdir():
                if wanted not in ("", ".", "..", entry.name):  # of the first three it is the content
                    why = f"the machine sent {entry.name[:99]} for {wanted[:99]}"
                    raise Failed("not copied", why, f"gaol exec {name} -- ls -la {path}")
                _place(entry, target / entry.name if target.is_dir() else target)
            if left:
                raise Failed(
                    f"{len(left)} links and special files were left out, such as {clean(left[0])[:200]}",
                    "they may lead anywhere, or be devices",
                    "gaol cp --links, for links",
                )


def _leave_out(scratch: str, *, links: bool) -> list[str]:
    """Remove all but files, directories and, with `links`, symbolic links; says what that was.

    Directories are made readable: nothing could be looked for, or removed, in one that is not. Not os.walk: it recurses, passes
    over what it can't read, and paths that a machine chose may be as long as tar could make them.
    """
    left: list[str] = []
    waiting = ["."]
    top = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while waiting:
            path = waiting.pop()
            os.chmod(path, os.stat(path, dir_fd=top, follow_symlinks=False).st_mode & 0o777 | 0o700, dir_fd=top)
            here = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for name in os.listdir(here):
                    mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        waiting.append(f"{path}/{name}")
                    elif not (stat.S_ISREG(mode) or (links and stat.S_ISLNK(mode))):
                        os.unlink(name, dir_fd=here)
                        left.append(f"{path}/{name}".removeprefix("./"))
            finally:
                os.close(here)
    finally:
        os.close(top)
    return left


@contextmanager
def _scratch(into: Path) -> Iterator[str]:
    """A directory beside the target. What of it was not put there goes, however deep it is: rm does not recurse."""
    try:
        made = tempfile.mkdtemp(prefix=".gaol-cp.", dir=into)
    except OSError as error:
        raise Failed(f"can't write in {into}", error.strerror or str(error), f"ls -ld {into}") from None
    try:
        yield made
    finally:
        with suppress(OSError):
            _leave_out(made, links=True)
        subprocess.run(["rm", "-rf", "--", made], stderr=subprocess.DEVNULL, check=False)


@contextmanager
def _complaints() -> Iterator[int]:
    """A descriptor that shows what is written to it as errors of ours are shown."""
    reader, writer = os.pipe()

    def show() -> None:
        left = _COMPLAINTS
        while left > 0 and (data := os.read(reader, 4096)):
            left -= len(data)
            sys.stderr.write(clean(data.decode(errors="replace"), keep="\n\t"))
        os.close(reader)  # whoever complains on finds nobody who listens
        if left <= 0:
            sys.stderr.write("\ngaol: the machine complains without end; the rest is not shown\n")

    shown = threading.Thread(target=show)
    shown.start()
    try:
        yield writer
    finally:
        os.close(writer)
        shown.join()


@contextmanager
def _heard(descriptor: int) -> Iterator[bytearray]:
    """What a program complains, the beginning of it; all is read, so that it never waits for us."""
    heard = bytearray()

    def hear() -> None:
        while data := os.read(descriptor, 65536):
            heard.extend(data[: max(0, _HEARD - len(heard))])

    hearing = threading.Thread(target=hear)
    hearing.start()
    try:
        yield heard
    finally:
        hearing.join()


def _place(entry: Path, target: Path) -> None:
    with suppress(NotADirectoryError, IsADirectoryError):
        entry.replace(target)
        return
    raise Failed(f"can't put {entry.name} in place of {target}", "one is a directory, the other is not", f"ls -ld {target}")


@contextmanager
def _session(name: str, script: list[str], user: str) -> Iterator[Session]:
    with Gaoler() as gaoler:
        replies = iter(_begun(gaoler, name, script, user))
        session = Session(gaoler.descriptors())
        try:
            yield session
        finally:
            session.hang_up()
            gaoler.connection.sock.shutdown(1)  # the life of a machine that was made for this
            for _ in replies:
                pass


def _begun(gaoler: Gaoler, name: str, script: list[str], user: str) -> Iterator[dict[str, Any]]:
    """The script in the machine; in one of its base, with its files, where it is stopped. Returns what is still to be told."""
    try:
        gaoler.call("Exec", command={"arguments": ["sh", "-c", *script], "user": user}, name=name)
        return iter(())
    except Failed as error:
        if gaoler.call("Inspect", name=name)["machine"]["state"] not in ("stopped", "failed"):
            raise
        if user != "root":
            raise Failed(f"can't copy as {user}", "the accounts of a stopped machine are not there", f"gaol up {name}") from error
    text, what, path, *rest = script
    within = os.path.normpath(f"/mnt/{path if path.startswith('/') else f'root/{path}'}") + ("/" if path.endswith("/") else "")
    replies = gaoler.replies("Rescue", {"name": name, "command": {"arguments": ["sh", "-c", text, what, within, *rest]}})
    for reply in replies:
        if reply.get("session"):
            break
    return replies


def _check(session: Session, code: int, name: str) -> None:
    if code:
        raise Failed("not copied", session.complaint or f"the machine's side ended with {code}", f"gaol exec {name} -- ls")


COMMANDS = {
    "cp": Command(
        _cp,
        "Copy files and whole directories into a machine or out of it. The side in the machine is written NAME:PATH. "
        "Of a machine that is stopped the files are reached through a fresh one of its base.",
        place("SRC... DST", "paths here, or NAME:PATH; several sources need a directory as DST", many=True, key="paths"),
        option("--user", "-u", value="USER", about="the user to read and write as inside", default="root"),
        flag("--links", about="out of a machine, bring symbolic links, too: only from one that you trust"),
        flag("-r", "-R", "-a", "--recursive", about=""),  # cp's and scp's; it always is
        examples=(("gaol cp page.html web:/var/www/html/", "into the machine"), ("gaol cp web:/var/log/nginx .", "out of it")),
    ),
}
