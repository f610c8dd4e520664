"""The program that packs a machine's tree into an archive: a tar, compressed by zstd, that begins with what the machine is.

Its text is run by itself, confined, where it sees the tree alone, read-only. The tree is a stranger's work: it follows no
link, opens nothing but regular files, and what it reads and tells has an end. It says a line of JSON for what can't be in an
archive, now and then how far it is, and one with `end` when the archive is whole.

    machine.json        what the machine is
    tree/...            its files, directories before what is in them
    end.json            how many there were: without it, an archive was cut short
"""

from __future__ import annotations

import io
import json
import os
import resource
import select
import stat
import subprocess
import sys
import tarfile
import threading

ATTRIBUTES = ("user.", "security.capability", "system.posix_acl_")
"""Extended attributes that mean something in a machine."""
SIDE = ".hostfs-attributes"
"""What the driver keeps for links and FIFOs, by the number that each has on this disk alone (kernel/files/fs/hostfs/side.c)."""
DEPTH = 400
"""Directories below each other."""
BYTES = 1 << 40
"""Of all files: holes are packed as zeros, and a file of holes may claim any size."""
TOLD = 200
"""Names that are told of what was left out; what is beyond is counted."""
MEMORY = 2 << 30
"""Bytes of address space."""
PATIENCE = 600_000
"""Milliseconds that whoever takes the archive may take none of it."""
_EVERY = 1000
"""Files between two words of how far it is."""
_CHUNK = 1 << 18
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Packing:
    """Of a tree into an archive that is open for writing."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._links: dict[int, str] = {}
        self._bytes = self._files = self._left_out = 0

    def run(self, machine: str, tree: str) -> None:
        self._text("machine.json", machine)
        self._directory(tree, "tree", 0)
        self._text("end.json", json.dumps({"files": self._files}))

    def end(self) -> None:
        _say(end=True, files=self._files, bytes=self._bytes, left_out=self._left_out)

    def _text(self, name: str, text: str) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(text.encode())
        self._archive.addfile(info, io.BytesIO(text.encode()))

    def _directory(self, path: str, name: str, depth: int) -> None:
        try:
            self._add(path, name, os.lstat(path))
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._leave_out(name, error.strerror or "unreadable")
            return
        for entry in found:
            below = f"{name}/{entry.name}"
            try:
                if depth == 0 and entry.name == SIDE:
                    with os.scandir(entry.path) as kept:
                        self._note(below, "extended attributes of links and pipes", any(kept))
                elif not entry.is_dir(follow_symlinks=False):
                    self._add(entry.path, below, entry.stat(follow_symlinks=False))
                elif depth >= DEPTH:
                    self._leave_out(below, "too many directories below each other")
                else:
                    self._directory(entry.path, below, depth + 1)
            except OSError as error:
                self._leave_out(below, error.strerror or "unreadable")

    def _note(self, name: str, why: str, is_so: bool) -> None:
        if is_so:
            self._leave_out(name, why)

    def _add(self, path: str, name: str, state: os.stat_result) -> None:
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid = stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid
        seconds, rest = divmod(state.st_mtime_ns, 1_000_000_000)
        info.mtime = seconds
        if rest:
            info.pax_headers = {"mtime": f"{seconds}.{rest:09d}"}
        kind = stat.S_IFMT(state.st_mode)
        if kind == stat.S_IFREG and state.st_nlink > 1 and state.st_ino in self._links:
            info.type, info.linkname = tarfile.LNKTYPE, self._links[state.st_ino]
        elif kind == stat.S_IFREG:
            self._add_file(path, info, state)
            return
        elif kind == stat.S_IFDIR:
            info.type = tarfile.DIRTYPE
            self._put_attributes(path, info)
        elif kind == stat.S_IFLNK:
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
        elif kind == stat.S_IFIFO:
            info.type = tarfile.FIFOTYPE
        elif kind == stat.S_IFSOCK:
            return  # means nothing without the program that listens
        else:
            self._leave_out(name, "a device node of the base's")
            return
        self._archive.addfile(info)
        self._count()

    def _add_file(self, path: str, info: tarfile.TarInfo, state: os.stat_result) -> None:
        if state.st_size > BYTES - self._bytes:
            self._leave_out(info.name, f"{state.st_size} bytes")
            return
        with open(os.open(path, _OPEN), "rb", buffering=_CHUNK) as file:
            self._put_attributes(file.fileno(), info)
            info.size = state.st_size
            self._archive.addfile(info, file)
        if state.st_nlink > 1:
            self._links[state.st_ino] = info.name
        self._bytes += state.st_size
        self._count()

    def _put_attributes(self, place: str | int, info: tarfile.TarInfo) -> None:
        found = [name for name in os.listxattr(place) if name.startswith(ATTRIBUTES)]
        if found:
            values = {name: os.getxattr(place, name).decode("utf-8", "surrogateescape") for name in found}
            info.pax_headers = {**info.pax_headers, **{f"SCHILY.xattr.{name}": value for name, value in values.items()}}

    def _count(self) -> None:
        self._archive.members = []  # type: ignore[attr-defined]  # or it keeps them all
        self._files += 1
        if self._files % _EVERY == 0:
            _say(files=self._files, bytes=self._bytes)

    def _leave_out(self, name: str, why: str) -> None:
        self._left_out += 1
        if self._left_out <= TOLD:
            _say(path=_shown(name.removeprefix("tree")), why=why)


def passed_on(source: int, sink: int) -> None:
    """All that comes from one descriptor to another one, whose reader has some patience. Raises TimeoutError."""
    poller = select.poll()
    poller.register(sink, select.POLLOUT)
    os.set_blocking(sink, False)
    while data := os.read(source, _CHUNK):
        view = memoryview(data)
        while view:
            if not poller.poll(PATIENCE):
                raise TimeoutError
            try:
                view = view[os.write(sink, view) :]
            except BlockingIOError:
                continue


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in path)


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _main(machine: str, output: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    command = ["zstd", "-q", "-3", "-c"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as compressor:
        assert compressor.stdin and compressor.stdout

        def relay(source: int) -> None:
            try:
                passed_on(source, output)
            except OSError:  # whoever was to have it has gone, or takes none
                os._exit(3)

        thread = threading.Thread(target=relay, args=(compressor.stdout.fileno(),))
        thread.start()
        with tarfile.open(
            fileobj=compressor.stdin, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            packing = Packing(archive)
            packing.run(machine, "/tree")
        compressor.stdin.close()
        thread.join()
        if compressor.wait():
            sys.exit(1)
    packing.end()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
