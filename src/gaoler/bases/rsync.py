"""Brings a tree up to date from a master by rsync: what has changed since the last time, and nothing else.

The rsync process runs confined (gaoler.host.confine.confinement): a master may be anybody's by now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gaoler.bases import clean, space
from gaoler.errors import Failed, NotFound, Usage
from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from gaoler.progress import Progress, Report

PASSES = 4
"""How often a source that changes meanwhile is gone over again before it is given up."""
TIMEOUT = 120
"""Seconds that a master may be silent."""
_CONNECT = 20

_WORD = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
_HOST = rf"(?:{_WORD}@)?(?:{_WORD}|\[[0-9a-fA-F:]+\])"
_KINDS = {
    "url": re.compile(rf"rsync://{_HOST}(?::\d{{1,5}})?/[^\0-\x1f\x7f]+"),
    "module": re.compile(rf"{_HOST}::{_WORD}(?:/[^\0-\x1f\x7f]*)?"),
    "ssh": re.compile(rf"{_HOST}:(?!:|//)[^\0-\x1f\x7f:]+"),
    "local": re.compile(r"/[^\0-\x1f\x7f]*"),
}

#: Beside what `clean` takes out: the master's own disks and secrets, which no machine has a use for.
_MASTERS_OWN = (
    *("etc/fstab", "etc/rsyncd.*", "etc/gaoler-master", "etc/NetworkManager/system-connections/*", "lost+found"),
    "var/lib/apt/lists/*",  # they change daily where nothing else does; machines fetch their own
)

#: Extended attributes that mean something in a machine. Labels of the master's security module, and what only root of
#: a file system's own user namespace may set, do not.
XATTRS = ("--filter=+x security.capability", "--filter=+x user.*", "--filter=-x *")

_NAMES = "Number of [a-z ]+|Total bytes (?:sent|received)"
_FIGURE = re.compile(rf"(?P<name>{_NAMES}): (?P<count>[\d,]+)(?: \(reg: (?P<regular>[\d,]+))?")

_WHY = {
    5: ("the master refuses", "rsync {source}, once its module is called so, and this host is in its `hosts allow`"),
    10: ("the master can't be reached", "rsync {source}"),
    11: ("the disk is full, or can't be written", "gaol store info"),
    12: ("the connection broke", "gaol base sync goes on where this stopped"),
    20: ("it was stopped", "gaol base sync goes on where this stopped"),
    23: ("some files could not be read or written", "mend what it names on the master"),
    30: ("the master fell silent", "gaol base sync goes on where this stopped"),
    35: ("the master does not answer", "rsync {source}"),
    255: ("ssh can't log in", "compare the host's key in the known hosts file, and let gaoler's key in on the master"),
}


_UNREACHED = ("ssh: connect to host", "ssh: Could not resolve hostname")
"""What ssh says where it got nowhere."""
_COMPLAINT = re.compile(r"\s*(rsync:|rsync error|@ERROR|ssh|Host key|Permission|WARNING|@@@|skipping|IO error|file has vanished)")
_COMPLAINTS, _SHOWN = 30, 3

_VANISHED, _PARTIAL = 24, 23
_SHRUNK = re.compile(r"rsync: \[sender\] read errors mapping .*: No data available \(61\)")
"""What rsync says of a file that ended sooner than it did when it was opened (map_ptr() in fileio.c)."""
_BROKEN_OFF = frozenset({10, 11, 12})
_INTERRUPTED = frozenset({12, 20, 30, 137})


@dataclass(frozen=True)
class Access:
    """How gaoler shows itself to masters; files that are not there are not used."""

    identity: Path
    """A private key for ssh."""
    known_hosts: Path
    """The masters' host keys; a master that is not in it is refused."""
    password: Path
    """The password for a module with `auth users`."""
    first_id: int
    """Where the ids that the confined rsync runs with begin."""


@dataclass(frozen=True)
class Moved:
    """What a sync has changed in the tree: files made, written and removed; bytes received over the wire."""

    files: int = 0
    received: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.files + other.files, self.received + other.received)


def kind_of(source: str) -> str:
    """`url`, `module`, `ssh` or `local`. Raises Usage for what rsync can't take from."""
    for kind, pattern in _KINDS.items():
        if pattern.fullmatch(source):
            return kind
    raise Usage(
        f'"{source[:60]}" is not a source for rsync',
        "a master is HOST::MODULE, rsync://HOST/MODULE, USER@HOST:PATH or a directory of this host",
        "gaol base add archlinux --rsync master::archlinux",
    )


def sync(source: str, tree: Path, access: Access, report: Report, *, lock: int, step: str = "sync") -> Moved:
    """Make `tree` what the source is, and see that the source held still meanwhile. Raises Failed, NotFound, Usage."""
    program = confined(source, tree, access)
    moved = Moved()
    for number in range(1, PASSES + 1):
        name = step if number == 1 else f"{step}, pass {number}: has the master changed meanwhile?"
        once, still = _pass(source, tree, program, report, name, lock)
        moved += once
        if still and not once.files:
            return moved  # nothing has changed since the pass before, so it is not torn
    raise Failed(
        f"{source} does not hold still",
        f"it changed during each of {PASSES} passes",
        "gaol base sync NAME",
    )


def has_changed(status: int, complaints: list[str]) -> bool:
    """Whether rsync ended for no other reason than that files went away, or became shorter, while it read them."""
    named = [line for line in complaints if not line.startswith("rsync error")]
    return status == _VANISHED or (status == _PARTIAL and bool(named) and all(map(_SHRUNK.match, named)))


def _pass(source: str, tree: Path, program: Confinement, report: Report, step: str, lock: int) -> tuple[Moved, bool]:
    """What was moved, and whether no file went away on the master, or became shorter, while it was read."""
    found: dict[str, int] = {}
    complaints: list[str] = []

    def on_line(line: str) -> None:
        if match := re.match(r"\s*([\d,]+)\s+(\d+)%", line):
            done, share = int(match[1].replace(",", "")), int(match[2])
            report(Progress(step, done, done * 100 // share if share else None, "bytes"))
        elif match := _FIGURE.match(line):
            found[match["name"]] = int(match["count"].replace(",", ""))
            found[f"{match['name']}, regular"] = int((match["regular"] or "0").replace(",", ""))
        elif _COMPLAINT.match(line) and len(complaints) < _COMPLAINTS:
            complaints.append(line.strip()[:300])

    report(Progress(step))
    still = True
    try:
        confinement.run(command(source), program, on_line, lock=lock)
    except ProgramFailed as error:
        still = not has_changed(error.status, complaints)
        if still:
            raise _told(source, tree, error.status, complaints or error.tail) from None
    # What is new and a regular file counts among the transferred ones as well.
    old = found.get("Number of regular files transferred", 0) - found.get("Number of created files, regular", 0)
    files = found.get("Number of created files", 0) + found.get("Number of deleted files", 0) + old
    # From a directory of this host it is our own process that sends.
    direction = "sent" if kind_of(source) == "local" else "received"
    return Moved(files, found.get(f"Total bytes {direction}", 0)), still


def command(source: str) -> list[str]:
    kind = kind_of(source)
    words = [
        *("rsync", "--archive", "--hard-links", "--acls", "--xattrs", "--sparse", "--numeric-ids", "--no-devices"),
        "--partial",  # what filled the store stays to be seen, and what has come need not come again
        *("--delete", "--no-motd", "--no-human-readable", "--stats", "--info=progress2", f"--timeout={TIMEOUT}"),
        "--modify-window=-1",  # times to the nanosecond: two changes may fall into one second
        *XATTRS,
        *excludes(),
    ]
    if kind == "ssh":
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": "/root/known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": "/root/identity",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": str(_CONNECT),
            "ServerAliveInterval": "15",
        }
        words.append("--rsh=ssh -F none " + " ".join(f"-o {key}={value}" for key, value in options.items()))
    elif kind != "local":
        words += [f"--contimeout={_CONNECT}", "--password-file=/root/password"] if "@" in source else [f"--contimeout={_CONNECT}"]
    place = "/source" if kind == "local" else source.rstrip("/")
    return [*words, "--", f"{place}/", "/tree/"]


def excludes() -> list[str]:
    """What a base must not have is not fetched either, or it would come again each time."""
    patterns = [f"/{pattern}" for pattern in (*clean.FILES, clean.MACHINE_ID, *_MASTERS_OWN)]
    patterns += [f"/{directory}/*" for directory in (*clean.DIRECTORIES, "proc", "sys")]
    return [f"--include=/{clean.LOGS}/**/", *(f"--exclude={pattern}" for pattern in patterns), f"--exclude=/{clean.LOGS}/**"]


def confined(source: str, tree: Path, access: Access) -> Confinement:
    """What rsync is given for this source."""
    target = Bind(str(tree), "/tree", writable=True, mapped=True)
    if kind_of(source) == "local":
        if not Path(source).is_dir():
            raise NotFound(f"no directory {source}", "nothing of that name is here", f"ls {Path(source).parent}")
        return Confinement((Bind(source, "/source"), target))
    files = {"/root/identity": access.identity, "/root/known_hosts": access.known_hosts, "/root/password": access.password}
    return Confinement((target,), {place: str(file) for place, file in files.items()}, first_id=access.first_id)


def _told(source: str, tree: Path, status: int, complaints: list[str]) -> Failed:
    why, hint = _WHY.get(status, (f"rsync ended with {status}", ""))
    # Its other half may have told why it could not write when nobody listened any more.
    if space.is_full(complaints) or (status in _BROKEN_OFF and space.is_used_up(tree)):
        return space.NoSpace()
    if any("IDENTIFICATION HAS CHANGED" in line or "verification failed" in line for line in complaints):
        why, hint = "its host key is not the known one", _WHY[255][1]
    if any(line.lstrip().startswith(_UNREACHED) for line in complaints):
        why, hint = _WHY[10][0], f"ssh {source.rpartition(':')[0]}"
    kind = Interrupted if status in _INTERRUPTED else Failed
    said = "; ".join(line for line in complaints[:_SHOWN] if "@@@" not in line)
    return kind(f"can't sync from {source}", f"{why} ({said})" if said else why, hint.format(source=source))


class Interrupted(Failed):
    """The connection ended early: what has come is good, and the next sync need not fetch it again."""
