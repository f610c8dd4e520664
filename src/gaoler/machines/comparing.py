"""The program that compares two trees, strangers' work both. Its text is run by itself, confined, where it sees the two alone.

Standard library only. It follows no link, opens nothing but regular files, and what it reads, keeps and tells has an end
each. A line of JSON an entry, and one with `end` when it is through.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator

ENTRIES = 20_000
"""That are told; what is beyond is counted."""
DEPTH = 400
"""Directories below each other, each of which takes two descriptors while it is looked at."""
MEMORY = 1 << 30
"""Bytes of address space: a directory of millions of names ends this program, and not the host."""
READ = 512 << 20
"""Bytes of files that are read to see whether they are the same. Beyond, another time of change counts as another content."""
TEXT = 1 << 20
"""Bytes of a text file that a patch is made of."""
PATCH = 4 << 20
"""Bytes of all patches together."""
IDENTITY = "/etc/gaol-identity"
"""What a machine knows itself by (guest/bin/identity)."""
GAOLERS = "/uml/"
"""Where links of gaoler's lead that are made at each start (guest/bin/startenv)."""
FOR_LINKS = ("/lib/sysvinit", "/usr/lib/sysvinit")
"""Directories that are made for such a link."""
_CHUNK = 1 << 18
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
          stat.S_IFCHR: "device", stat.S_IFBLK: "device"}  # fmt: skip
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Names = dict[str, os.stat_result]


class Comparison:
    """Of a tree as it was with what it is now; `patches` tells how texts differ, too, `ours` what gaoler itself puts there."""

    def __init__(self, patches: bool, ours: bool = True) -> None:
        self._patches = patches
        self._ours = ours
        self._told = self._left_out = 0
        self._to_read, self._to_patch = READ, PATCH

    def run(self, old: str, new: str) -> None:
        self._directories(os.open(old, _OPEN | os.O_DIRECTORY), os.open(new, _OPEN | os.O_DIRECTORY), "", 0)
        _say(end=True, left_out=self._left_out, cut=self._to_patch <= 0)

    def _directories(self, old: int | None, new: int | None, path: str, depth: int) -> None:
        """Compare what two directories hold; None is one that is not there. Closes both."""
        try:
            if depth > DEPTH:
                self._left_out += 1
                return
            before, after = _listed(old), _listed(new)
            for name in sorted({*before, *after}):
                self._names(old, new, name, before.get(name), after.get(name), f"{path}/{name}", depth)
        finally:
            for descriptor in (old, new):
                if descriptor is not None:
                    os.close(descriptor)

    def _names(
        self,
        old: int | None,
        new: int | None,
        name: str,
        was: os.stat_result | None,
        now: os.stat_result | None,
        path: str,
        depth: int,
    ) -> None:
        if was and now and stat.S_IFMT(was.st_mode) != stat.S_IFMT(now.st_mode):
            self._names(old, None, name, was, None, path, depth)
            self._names(None, new, name, None, now, path, depth)
            return
        if not self._ours and now and (path == IDENTITY or self._is_gaolers(new, name, now, path)):
            return
        how = self._how(old, new, name, was, now) if was and now else []
        either = now or was
        assert either
        if how or not (was and now):
            self._tell(path, was, now, how)
        if stat.S_ISDIR(either.st_mode):
            below = (_opened(old, name) if was else None, _opened(new, name) if now else None)
            if below != (None, None):
                self._directories(*below, path, depth + 1)
        elif self._patches and stat.S_ISREG(either.st_mode) and (how == [] or "content" in how) and (how or not (was and now)):
            self._patch(_text(old, name, was), _text(new, name, now), path)

    def _is_gaolers(self, new: int | None, name: str, now: os.stat_result, path: str) -> bool:
        if stat.S_ISLNK(now.st_mode):
            return _target(new, name).startswith(GAOLERS)
        if path not in FOR_LINKS or not stat.S_ISDIR(now.st_mode):
            return False
        directory = _opened(new, name)
        if directory is None:
            return False
        try:
            found = _listed(directory)
            return all(self._is_gaolers(directory, one, state, f"{path}/{one}") for one, state in found.items())
        finally:
            os.close(directory)

    def _how(self, old: int | None, new: int | None, name: str, was: os.stat_result, now: os.stat_result) -> list[str]:
        """In what two of the same kind differ. A snapshot keeps a file's number and time of change: most are told by these."""
        if (was.st_ino, was.st_ctime_ns, was.st_size, was.st_mode) == (now.st_ino, now.st_ctime_ns, now.st_size, now.st_mode):
            return []
        how = []
        if stat.S_ISREG(now.st_mode) and self._differ(old, new, name, was, now):
            how.append("content")
        elif stat.S_ISLNK(now.st_mode) and _target(old, name) != _target(new, name):
            how.append("target")
        elif now.st_rdev != was.st_rdev:
            how.append("device")
        if stat.S_IMODE(was.st_mode) != stat.S_IMODE(now.st_mode):
            how.append("mode")
        if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
            how.append("owner")
        return how

    def _differ(self, old: int | None, new: int | None, name: str, was: os.stat_result, now: os.stat_result) -> bool:
        if was.st_size != now.st_size:
            return True
        if now.st_size > self._to_read:
            return was.st_mtime_ns != now.st_mtime_ns
        self._to_read -= now.st_size
        return any(one != other for one, other in zip(_chunks(old, name), _chunks(new, name), strict=False))

    def _patch(self, was: bytes | None, now: bytes | None, path: str) -> None:
        if was is None or now is None or self._to_patch <= 0:
            return
        for place, content in (("/tmp/old", was), ("/tmp/new", now)):  # noqa: S108 - of its own root
            with open(place, "wb") as file:
                file.write(content)
        labels = (f"--label=a{_shown(path)}", f"--label=b{_shown(path)}")
        done = subprocess.run(["diff", "-u", *labels, "/tmp/old", "/tmp/new"], stdout=subprocess.PIPE, check=False)  # noqa: S108
        text = done.stdout[: self._to_patch]
        self._to_patch -= len(done.stdout)
        _say(patch=text.decode(errors="backslashreplace"))

    def _tell(self, path: str, was: os.stat_result | None, now: os.stat_result | None, how: list[str]) -> None:
        if self._told >= ENTRIES:
            self._left_out += 1
            return
        self._told += 1
        either = now or was
        assert either
        _say(
            path=_shown(path),
            change="changed" if was and now else "added" if now else "removed",
            kind=_KINDS.get(stat.S_IFMT(either.st_mode), "other"),
            size=_size(now),
            was=_size(was),
            how=how,
            exact=_shown(path) == path,
        )


def _listed(directory: int | None) -> Names:
    if directory is None:
        return {}
    found = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            found[entry.name] = entry.stat(follow_symlinks=False)
    return found


def _opened(parent: int | None, name: str) -> int | None:
    try:
        return os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=parent)
    except OSError:  # of another kind by now
        return None


def _target(parent: int | None, name: str) -> str:
    return os.readlink(name, dir_fd=parent)


def _chunks(parent: int | None, name: str) -> Iterator[bytes]:
    with open(os.open(name, _OPEN, dir_fd=parent), "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _text(parent: int | None, name: str, state: os.stat_result | None) -> bytes | None:
    """A file that people read; nothing for one that is not there, None for one that isn't text, or is too long."""
    if state is None:
        return b""
    if state.st_size > TEXT:
        return None
    content = b"".join(_chunks(parent, name))
    return None if b"\0" in content else content


def _size(state: os.stat_result | None) -> int | None:
    return state.st_size if state and stat.S_ISREG(state.st_mode) else None


def _shown(path: str) -> str:
    """A name is any bytes. What can't be printed is written as in Python: nothing of it passes for a line of a patch."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    Comparison(patches="patches" in sys.argv[1:], ours="ours" in sys.argv[1:]).run("/old", "/new")
