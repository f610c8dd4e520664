"""What bases are made from in tests: the smallest tree that is one, a master on loopback, archives and images."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from system.support.gateway import Gateway
from system.support.waiting import until

PROGRAMS = ("cat", "grep", "sed", "mkdir", "rm", "cp", "chown", "ln", "ls", "true", "sleep", "touch", "dd", "stat")


def small_tree(root: Path) -> Path:
    """A shell, what startenv calls, and the libraries they need: 10 MB that boot."""
    for directory in (
        "dev",
        "etc",
        "home",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr/bin",
        "usr/lib",
        "usr/sbin",
        "uml",
        "var/log",
    ):
        (root / directory).mkdir(parents=True)
    (root / "usr/lib64").mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copy2(os.path.realpath("/bin/dash"), root / "usr/bin/sh")
    for name in PROGRAMS:
        shutil.copy2(os.path.realpath(shutil.which(name) or ""), root / "usr/bin" / name)
    programs = [str(path) for path in (root / "usr/bin").iterdir()]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    for library in {word for word in listed.split() if word.startswith("/lib")}:
        target = root / library[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library), target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    return root


@dataclass
class Master:
    """An rsync server with one module, `tree`."""

    tree: Path
    port: int

    @property
    def url(self) -> str:
        return f"rsync://127.0.0.1:{self.port}/tree"


@contextmanager
def master(directory: Path, *settings: str) -> Iterator[Master]:
    """`settings` are further lines of the module's configuration."""
    tree = small_tree(directory / "tree")
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    lines = [
        "use chroot = no", "uid = 0", "gid = 0", "address = 127.0.0.1", f"port = {port}", f"log file = {directory}/log",
        "[tree]", f"path = {tree}", "read only = yes", "numeric ids = yes", *settings,
    ]  # fmt: skip
    configuration = directory / "rsyncd.conf"
    configuration.write_text("\n".join(lines) + "\n")
    server = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={configuration}"], stdin=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), "the master answers")
        yield Master(tree, port)
    finally:
        server.terminate()
        server.wait()


def set_last_sync(gateway: Gateway, base: str, **changes: object) -> None:
    """Let the last sync of a base have been another than it was: `time`, `good`."""
    note = gateway.store / f".gaoler/generations/{base}/last.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), **changes}))


@pytest.fixture(name="source")
def source_fixture(tmp_path: Path) -> Iterator[Master]:
    with master(tmp_path) as served:
        yield served


@pytest.fixture(name="base")
def base_fixture(gateway: Gateway, source: Master) -> Iterator[str]:
    """A base of that master, by the name `small`."""
    gateway.gaol("base", "add", "small", "--rsync", source.url, check=True)
    yield "small"
    gateway.gaol("base", "rm", "small", check=True)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def contents(tree: Path) -> dict[str, list[object]]:
    """All there is in a tree: kinds, ids, modes, times, attributes, and a checksum of what is inside."""
    found = {}
    for directory, names, files in os.walk(tree):
        for name in (*names, *files):
            path = Path(directory) / name
            state = path.lstat()
            fields: list[object] = [oct(state.st_mode), state.st_uid, state.st_gid, state.st_rdev]
            if not stat.S_ISDIR(state.st_mode):  # which file systems count and stamp in their own ways
                fields += [state.st_nlink, state.st_mtime_ns]
            fields += [
                (key, os.getxattr(path, key, follow_symlinks=False)) for key in sorted(os.listxattr(path, follow_symlinks=False))
            ]
            if stat.S_ISLNK(state.st_mode):
                fields.append(os.readlink(path))
            elif stat.S_ISREG(state.st_mode):
                fields.append(hashlib.sha256(path.read_bytes()).hexdigest())
            found[str(path.relative_to(tree))] = fields
    return found


class Image:
    """An OCI image, a layer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layers = 0
        self._umoci("init", "--layout", str(path))
        self._umoci("new", "--image", f"{path}:latest")

    def _umoci(self, *words: str) -> None:
        subprocess.run(["umoci", *words], check=True, capture_output=True)

    def add(self, layer: Path) -> None:
        self.layers += 1
        self._umoci("raw", "add-layer", "--image", f"{self.path}:latest", str(layer))

    def add_tree(self, tree: Path) -> None:
        layer = self.path.with_suffix(f".{self.layers}.tar")
        words = ["tar", "-C", str(tree), "--xattrs", "--xattrs-include=*", "--numeric-owner", "-cf", str(layer), "."]
        subprocess.run(words, check=True)
        self.add(layer)

    def add_entries(self, *entries: tuple[str, dict]) -> None:
        layer = self.path.with_suffix(f".{self.layers}.tar")
        write_archive(layer, *entries)
        self.add(layer)


def write_archive(archive: Path, *entries: tuple[str, dict]) -> None:
    """An archive of entries as they are told, sense or no sense: `data`, or fields of tarfile.TarInfo."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as file:
        for name, fields in entries:
            info = tarfile.TarInfo(name)
            data = fields.get("data", b"")
            info.size, info.mode = len(data), 0o755
            for key, value in fields.items():
                if key != "data":
                    setattr(info, key, value)
            file.addfile(info, io.BytesIO(data))
