"""The program that makes a tree of an archive that `packing` wrote, or whoever pretends to be that.

Its text is run by itself, confined, where it sees an empty tree and nothing else to write to. It says a line of JSON
with `machine`, what the archive says that it is, before it unpacks anything; one with `refused` where the archive has what no
machine's has; and one with `end` when the tree is whole. Whoever runs it throws the tree away in any other case.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import subprocess
import sys
import tarfile
import threading

ATTRIBUTES = ("user.", "security.capability", "system.posix_acl_access", "system.posix_acl_default")
SIDE = ".hostfs-attributes"
IDS = 65536
"""A machine's: of anything else it can't be the owner, so no file may be, least of all one that is setuid."""
FILES = 2_000_000
BYTES = 1 << 40
"""In all, as packing has it; what there is room for is the quota's to say."""
LARGEST_TEXT = 1 << 16
"""Bytes of machine.json, and of one extended attribute."""
LONGEST = 4000
"""Bytes of a path: with what comes before it no more than PATH_MAX."""
MEMORY = 2 << 30
PATIENCE = 600_000
"""Milliseconds that whoever sends the archive may send none of it."""
_EVERY = 1000
_CHUNK = 1 << 18
_CAPABILITY = 20
"""Bytes of a security.capability that names no user namespace (linux/capability.h, VFS_CAP_REVISION_2)."""
_PLAIN = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link",
          tarfile.FIFOTYPE: "pipe"}  # fmt: skip
_NODES = (tarfile.CHRTYPE, tarfile.BLKTYPE)


class Refused(Exception):
    """What the archive has that no machine's has."""


class Unpacking:
    """Of an archive that is open for reading into an empty directory."""

    def __init__(self, archive: tarfile.TarFile, tree: str) -> None:
        self._archive = archive
        self._tree = tree
        self._kinds: dict[str, str] = {}
        self._directories: list[tuple[str, tarfile.TarInfo]] = []
        self._bytes = 0

    def run(self) -> None:
        """Raises Refused, OSError, tarfile.TarError."""
        first = self._archive.next()
        if first is None or first.name != "machine.json":
            raise Refused("it is not what gaol export writes: it does not begin with machine.json")
        _say(machine=self._text(first))
        ended = False
        while member := self._next():
            if ended:
                raise Refused("there is something behind its end")
            if member.name == "end.json":
                ended = self._text(member) == json.dumps({"files": len(self._kinds)})
            else:
                self._add(member)
        if not ended or "" not in self._kinds:
            raise Refused("it was cut short")
        for path, member in reversed(self._directories):
            os.chmod(path, member.mode)
            os.utime(path, ns=_times(member))

    def end(self) -> None:
        _say(end=True, files=len(self._kinds), bytes=self._bytes)

    def _next(self) -> tarfile.TarInfo | None:
        member = self._archive.next()
        self._archive.members = []  # type: ignore[attr-defined]  # or it keeps them all
        return member

    def _text(self, member: tarfile.TarInfo) -> str:
        if member.type != tarfile.REGTYPE or not 0 <= member.size <= LARGEST_TEXT:
            raise Refused(f"{member.name} is not a small file")
        source = self._archive.extractfile(member)
        assert source
        return source.read(member.size).decode("utf-8", "replace")

    def _add(self, member: tarfile.TarInfo) -> None:
        name = self._checked(member)
        path = f"{self._tree}/{name}" if name else self._tree
        kind = _PLAIN[member.type]
        if kind == "file":
            self._make_file(path, member)
        elif kind == "directory":
            if name:
                os.mkdir(path, 0o700)
            os.chown(path, member.uid, member.gid)
            _set_attributes(path, member)
            self._directories.append((path, member))
        elif kind == "hard link":
            os.link(f"{self._tree}/{self._linked(member)}", path, follow_symlinks=False)
        else:
            if kind == "link":
                os.symlink(member.linkname, path)
            else:
                os.mkfifo(path, 0o600)
                os.chmod(path, member.mode)
            os.chown(path, member.uid, member.gid, follow_symlinks=False)
            if kind == "pipe" and member.mode & ~0o777:
                os.chmod(path, member.mode)  # which the change of its owner has cleared
            os.utime(path, ns=_times(member), follow_symlinks=False)
        self._kinds[name] = "file" if kind == "hard link" else kind
        if len(self._kinds) % _EVERY == 0:
            _say(files=len(self._kinds), bytes=self._bytes)

    def _checked(self, member: tarfile.TarInfo) -> str:
        """The path of what may be made, below the tree. Raises Refused."""
        name = _relative(member.name)
        if member.type in _NODES:
            raise Refused(f"{_shown(member.name)} is a device node")
        if member.type not in _PLAIN or member.sparse is not None:
            raise Refused(f"{_shown(member.name)} is of a kind that gaol export does not write")
        if name in self._kinds:
            raise Refused(f"{_shown(member.name)} is in it twice")
        if name and self._kinds.get(name.rpartition("/")[0]) != "directory":
            raise Refused(f"{_shown(member.name)} does not lie in a directory of the archive")
        if name == SIDE or name.startswith(f"{SIDE}/"):
            raise Refused(f"{_shown(member.name)} is a name that the machine's kernel keeps for itself")
        if not name and member.type != tarfile.DIRTYPE:
            raise Refused("its tree is not a directory")
        if not (0 <= member.uid < IDS and 0 <= member.gid < IDS) or member.mode & ~0o7777:
            raise Refused(f"{_shown(member.name)} belongs to {member.uid}:{member.gid}, which no machine has")
        if member.size < 0 or (member.size and member.type != tarfile.REGTYPE) or member.size > BYTES - self._bytes:
            raise Refused(f"{_shown(member.name)} has {member.size} bytes")
        if len(self._kinds) >= FILES:
            raise Refused(f"it has more than {FILES} files")
        return name

    def _linked(self, member: tarfile.TarInfo) -> str:
        target = _relative(member.linkname)
        if self._kinds.get(target) != "file":
            raise Refused(f"{_shown(member.name)} is linked to {_shown(member.linkname)}, which is not in the archive")
        return target

    def _make_file(self, path: str, member: tarfile.TarInfo) -> None:
        source = self._archive.extractfile(member)
        assert source
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
            left = member.size
            while left:
                data = source.read(min(_CHUNK, left))
                if not data:
                    raise Refused("it was cut short")
                left -= len(data)
                if data.count(0) == len(data):
                    file.seek(len(data), os.SEEK_CUR)  # a hole
                else:
                    _write(file.fileno(), data)
            file.truncate(member.size)
            os.fchown(file.fileno(), member.uid, member.gid)
            os.fchmod(file.fileno(), member.mode)
            _set_attributes(file.fileno(), member)
            os.utime(file.fileno(), ns=_times(member))
        self._bytes += member.size


def _relative(name: str) -> str:
    """A name below `tree`. Raises Refused for one that leads elsewhere."""
    parts = name.split("/")
    if parts[0] != "tree" or any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise Refused(f"{_shown(name)} is not a path in a machine's tree")
    if len(os.fsencode(name)) > LONGEST or any(len(os.fsencode(part)) > 255 for part in parts):
        raise Refused(f"{_shown(name)} is too long")
    return "/".join(parts[1:])


def _set_attributes(place: str | int, member: tarfile.TarInfo) -> None:
    for key, text in member.pax_headers.items():
        if not key.startswith("SCHILY.xattr."):
            continue
        name, value = key.removeprefix("SCHILY.xattr."), text.encode("utf-8", "surrogateescape")
        if not name.startswith("user.") and name not in ATTRIBUTES:
            raise Refused(f"{_shown(member.name)} has the attribute {_shown(name)}, which no machine's files have")
        if len(value) > LARGEST_TEXT or (name == "security.capability" and len(value) != _CAPABILITY):
            raise Refused(f"the attribute {_shown(name)} of {_shown(member.name)} has {len(value)} bytes")
        try:
            os.setxattr(place, name, value)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Refused(f"the attribute {_shown(name)} of {_shown(member.name)} can't be set: {error.strerror}") from None


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    """In nanoseconds. A time that no file can have is the beginning of time."""
    seconds, _, rest = str(member.pax_headers.get("mtime", int(member.mtime))).partition(".")
    try:
        found = int(seconds) * 1_000_000_000 + int(rest[:9].ljust(9, "0"))
    except ValueError:
        found = 0
    return (found, found) if abs(found) < 1 << 62 else (0, 0)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text[:200])


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _feed(source: int, sink: int) -> None:
    """All that comes to the decompressor, while its sender is there and has not fallen silent."""
    poller = select.poll()
    poller.register(source, select.POLLIN)
    try:
        while poller.poll(PATIENCE):
            data = os.read(source, _CHUNK)
            if not data:
                break
            _write(sink, data)
    except BrokenPipeError:
        pass  # it has seen enough
    finally:
        os.close(sink)


def _read_out(plain: subprocess.Popen[bytes]) -> None:
    """To the end, where the checksum is. Raises Refused."""
    assert plain.stdout
    while plain.stdout.read(_CHUNK):
        pass
    if plain.wait():
        raise Refused("it is damaged")


def _why(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "full"
    if isinstance(error, OSError) and error.errno:
        return f"{error.strerror}: {_shown(str(error.filename or ''))}"
    return "it is not what gaol export writes, or it is damaged"


def _main(source: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.umask(0)
    with subprocess.Popen(
        ["zstd", "-q", "-d", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as plain:
        assert plain.stdin and plain.stdout
        threading.Thread(target=_feed, args=(source, os.dup(plain.stdin.fileno())), daemon=True).start()
        plain.stdin.close()
        try:
            with tarfile.open(fileobj=plain.stdout, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
                unpacking = Unpacking(archive, "/tree")
                unpacking.run()
            _read_out(plain)
        except (Refused, OSError, ValueError, OverflowError, MemoryError, tarfile.TarError) as error:
            _say(refused=_why(error))
            plain.kill()
            os._exit(3)
    unpacking.end()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
