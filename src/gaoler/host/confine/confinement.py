"""Runs a program that fills a tree with what strangers send, where that tree is all it can write.

The program sees a root of its own: the tree at `/tree`, the host's /usr read-only, a handful of files. It has its own
mount, process, IPC and host name namespaces and no capability but those over files. Two kinds:

- with the network: in a user namespace besides, so that it is nobody on the host (what it connects to, abstract sockets
  of the host's included, sees an id that owns nothing); the tree is mounted with mapped ids, so that files get the
  numbers they are to have on disk. No device nodes can be made.
- without: in an empty network namespace, as root, for programs that must make device nodes to get on.

docs/decisions/0003-what-fills-a-base-is-confined.md says why.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gaoler.errors import Failed

OnLine = Callable[[str], None]
Pulse = Callable[[], None]
PULSE = 1.0
"""Seconds."""
TAIL = 30
"""Lines of a failed program's output that are kept."""
_SOURCES = str(Path(__file__).parents[3])
_HELPER = f"import sys; sys.path.insert(0, {_SOURCES!r}); from gaoler.host.confine.child import main; main()"


@dataclass(frozen=True)
class Bind:
    """A directory of the host as the program sees it."""

    source: str
    target: str
    writable: bool = False
    mapped: bool = False
    """With the user namespace's ids: files of id N on disk are id N for the program."""


@dataclass(frozen=True)
class Confinement:
    """What a program is given. Paths of the host are opened before anything of the program's runs."""

    binds: tuple[Bind, ...]
    copies: Mapping[str, str] = field(default_factory=dict)
    """Files by the place where the program finds a copy of its own; those that are not there are left out."""
    standard_input: str | None = None
    """A file of the host's to read from; nothing without it."""
    first_id: int | None = None
    """Where the 65536 host ids of its user namespace begin, for a program with the network; None: without it."""


class ProgramFailed(Failed):
    """The confined program ended with an error."""

    def __init__(self, program: str, status: int, tail: Sequence[str]) -> None:
        self.status = status
        self.tail = list(tail)
        ended = f"was killed by signal {status - 128}" if status > 128 else f"ended with {status}"
        super().__init__(f"{program} {ended}", "; ".join(line.strip() for line in self.tail[-3:] if line.strip()))


def run(
    argv: Sequence[str],
    confinement: Confinement,
    on_line: OnLine,
    *,
    lock: int,
    descriptors: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    pulse: Pulse | None = None,
) -> None:
    """Run a program of the host's confined, and give each line of its output and errors to `on_line`.

    The descriptor `lock` is held by the program too: a lock on it lasts until the last writer of the tree has ended,
    even where this process is killed before. `descriptors` it has under the same numbers. `pulse` is called at once and
    every second, from a thread of its own. The program is ended when `on_line` or `pulse` raises, which is raised here then.
    Raises ProgramFailed, Failed.
    """
    tail: collections.deque[str] = collections.deque(maxlen=TAIL)
    told = json.dumps({**asdict(confinement), "environment": dict(environment or {}), "held": [lock, *descriptors]})
    with subprocess.Popen(
        [sys.executable, "-IS", "-c", _HELPER, told, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(lock, *descriptors),
        text=True,  # with universal newlines: progress that overwrites itself comes line by line too
        errors="replace",
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    ) as process:
        assert process.stdout is not None
        with _pulsing(process, pulse) as stopped:
            try:
                for line in process.stdout:
                    if line.strip():
                        tail.append(line.rstrip("\n"))
                        on_line(tail[-1])
            except BaseException:
                process.kill()  # the program dies with it (PR_SET_PDEATHSIG)
                raise
    if stopped:
        raise stopped[0]
    if process.returncode:
        status = process.returncode if process.returncode > 0 else 128 - process.returncode
        raise ProgramFailed(argv[0], status, tail)


@contextmanager
def _pulsing(process: subprocess.Popen[str], pulse: Pulse | None) -> Iterator[list[Exception]]:
    """Call `pulse` while the block runs; what it raised, if it did, after it has ended the program."""
    stopped: list[Exception] = []
    over = threading.Event()

    def work(pulse: Pulse) -> None:
        try:
            pulse()
            while not over.wait(PULSE):
                pulse()
        except Exception as error:
            stopped.append(error)
            process.kill()

    thread = threading.Thread(target=work, args=(pulse,), name="pulse", daemon=True) if pulse else None
    if thread:
        thread.start()
    try:
        yield stopped
    finally:
        over.set()
        if thread:
            thread.join()
