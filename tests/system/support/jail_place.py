"""A jail for tests: all that one needs, with a program of the test's own in the kernel's place."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gaoler.host import btrfs, jail
from gaoler.host.jail import bundle
from gaoler.host.jail.ids import SIZE, IdRange
from gaoler.host.process import Process
from system.support.namespaces import mounts_of_our_own

_GUEST = Path(__file__).parents[3] / "guest"


@contextmanager
def open_directory() -> Iterator[Path]:
    """One that the jail's root, a stranger here, gets into: pytest's is closed anew whenever another pytest begins."""
    with tempfile.TemporaryDirectory(prefix="gaoler-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def tmp_path():
    with open_directory() as path:
        yield path


@pytest.fixture(scope="module", autouse=True)
def prepared():
    """As the daemon prepares itself; the tests of other files are back in the host's own mount namespace."""
    with mounts_of_our_own():
        jail.prepare_host()
        yield


def compiled(source: str, directory: Path) -> Path:
    """A static program from a source in programs/, or from a directory of them; beside it what each jail runs first."""
    program, place = directory / "probe", Path(__file__).with_name("programs") / source
    first = directory / Path(bundle.CLOSE_NAMESPACE).name
    subprocess.run(["make", "-s", "-C", _GUEST, f"O={directory}", first], check=True)
    sources = sorted(place.glob("*.c")) if place.is_dir() else [place]
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wno-unused-result", "-o", program, *sources], check=True)
    return program


class Place:
    """All that a jail needs, and what its console said."""

    def __init__(self, directory: Path, store: Path, probe: Path) -> None:
        self.directory, self.store, self.probe = directory, store, probe
        self.runtime = directory / "runtime"
        for name in ("guest/bin", "guest/etc", "guest/lib", "config", "notify"):
            (directory / name).mkdir(parents=True)
        shutil.copy(probe.with_name("close-namespace"), directory / "guest" / bundle.CLOSE_NAMESPACE)
        self.gaols = store / "gaols"
        self.gaols.mkdir(mode=0o700)
        btrfs.create(self.gaols / "one")
        self.agent = socket.socket(socket.AF_UNIX)
        self.reader, self.writer = os.pipe()

    def jail(self, *arguments: str, owner: int | None = None) -> jail.Jail:
        home = None
        if owner is not None:
            path = self.directory / "home"
            path.mkdir(mode=0o700, exist_ok=True)
            os.chown(path, owner, owner)
            home = jail.Home(path)
        return jail.Jail(
            name=f"gaoler-test-{os.getpid()}", ids=IdRange(0x4000_0000, SIZE), gaol=self.gaols / "one", kernel=self.probe,
            guest=self.directory / "guest", config=self.directory / "config", notify_dir=self.directory / "notify",
            owner=jail.Owner("alice", owner or 0, owner or 0), home=home, memory=32 << 20, overhead=16 << 20, pids=20, cpus=None, cpu=None, arguments=arguments,
            bundle=self.directory / "bundle", cgroup=f"gaoler-test-{os.getpid()}",
        )  # fmt: skip

    def start(self, described: jail.Jail, tap: int | None = None) -> Process:
        return jail.start(described, console=self.writer, agent=self.agent.fileno(), tap=tap, runtime=self.runtime)

    def remove(self, described: jail.Jail) -> None:
        jail.remove(described.name, runtime=self.runtime, cgroup_path=described.cgroup)

    def says(self, last: str) -> dict[str, list[str]]:
        """What the program says, by the first word, up to a line that begins with `last`."""
        text = b""
        while f"\n{last}" not in f"\n{text.decode(errors='replace')}":
            assert select.select([self.reader], [], [], 10)[0], text.decode()
            text += os.read(self.reader, 65536)
        found = defaultdict(list)
        for line in text.decode().splitlines():
            word, _, rest = line.partition(" ")
            found[word].append(rest)
        return found

    def told(self, *arguments: str, owner: int | None = None, tap: int | None = None) -> dict[str, list[str]]:
        described = self.jail(*arguments, owner=owner)
        self.start(described, tap)
        try:
            return self.says("end")
        finally:
            self.remove(described)


def opened(directory: Path, store: Path, probe: Path) -> Iterator[Place]:
    made = Place(directory, store, probe)
    yield made
    made.agent.close()
    os.close(made.reader)
    os.close(made.writer)
