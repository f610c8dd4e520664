"""Machines on trees of the host, with no more of gaoler than its kernel.

GAOLER_TEST_KERNEL names the kernel. A machine's root is a btrfs subvolume on a loop device, seen through what the jail
makes of it (hostfs/jail.c) and, for the same tests, by plain root. Programs come from the host's own /usr, read-only.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from system.support.kernel_machine import Machine

PROGRAMS = Path(__file__).with_name("programs") / "hostfs"
OWNER = 1000
PROMISED = 240.0
"""Seconds in which a script ends, however busy the host is."""

_HEADERS = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]
_SOURCES = {"jail": ["jail"], "init": ["init"], "posix": ["posix", "owners", "names", "contents", "kinds"]}


@pytest.fixture(scope="session", name="programs")
def programs_fixture(tmp_path_factory) -> Path:
    built = tmp_path_factory.mktemp("programs")
    for name, sources in _SOURCES.items():
        files = [PROGRAMS / f"{source}.c" for source in sources]
        subprocess.run(["musl-gcc", "-static", "-O1", *_HEADERS, "-o", built / name, *files], check=True)
    return built


@contextmanager
def file_system(kind: str, image: Path, mounted: Path, size: int) -> Iterator[Path]:
    """A new one of `size` bytes in a file."""
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, mounted], check=True)
    try:
        yield mounted
    finally:
        # Whoever made a mount namespace meanwhile has a copy of all mounts: its loop device goes when they do.
        subprocess.run(["umount", "--lazy", mounted], check=True)


@pytest.fixture(scope="session", name="store")
def store_fixture(tmp_path_factory) -> Iterator[Path]:
    """A btrfs of this session's own."""
    with file_system("btrfs", tmp_path_factory.mktemp("store") / "image", tmp_path_factory.mktemp("mounted"), 8 << 30) as made:
        yield made


@dataclass
class Place:
    """A root tree, a home, and how to start a machine on them."""

    kernel: str
    programs: Path
    root: Path
    home: Path
    shown: Path
    jailed: bool
    flags: str = ""
    """Of the root and of the home, each with its colon."""
    words: tuple[str, ...] = ()
    """More for the kernel's command line."""
    fds: tuple[int, ...] = ()
    started: list[Machine] = field(default_factory=list)

    # In scripts: mount -c, or mount(8) takes a name that lies in its directory for a path.

    def start(self, script: str) -> Machine:
        (self.root / "script").write_text(script)
        root, home = (self.shown / "gaol", self.shown / "home") if self.jailed else (self.root, self.home)
        command: list[str | Path] = [
            self.kernel, "mem=512M", f"umid=hostfs{secrets.token_hex(6)}", f"uml_dir={self.shown}",
            "con0=null,fd:1", "con=null", "ssl=null", "noreboot", "seccomp=on", "quiet",
            "root=root", "rootfstype=hostfs", "rw", "init=/init", f"hostfs_tree=root:{root}{self.flags}",
            "hostfs_tree=usr:/usr:ro", f"hostfs_tree=home:{home}:owner={OWNER}.{OWNER}{self.flags}",
            *self.words,
        ]  # fmt: skip
        if self.jailed:
            jail = [self.programs / "jail", "--map", f"{self.root}:{root}"]
            command = [*jail, "--squash", f"{OWNER}.{OWNER}:{self.home}:{home}", "--", *command]
        self.started.append(Machine(command, self.fds))
        return self.started[-1]

    def run(self, script: str) -> str:
        """What the script printed; fails when it failed."""
        console = self.start(script).finish(PROMISED)
        assert "EXIT 0" in console, console
        return console


@pytest.fixture(params=["jailed", "plain"], name="machine")
def machine_fixture(request, kernel, programs, store) -> Iterator[Place]:
    root = store / secrets.token_hex(6)
    # Not below pytest's directory: every other run that begins takes the way there from all but root.
    shown = Path(tempfile.mkdtemp(prefix="gaoler-hostfs-"))
    home = shown / "owners"
    subprocess.run(["btrfs", "--quiet", "subvolume", "create", root], check=True)
    for name in ("proc", "dev", "usr", "model", "test", "home", "etc", "mnt"):
        (root / name).mkdir()
    (root / "model").chmod(0o755)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for program in (programs / "init", programs / "posix", *PROGRAMS.glob("*.py")):
        shutil.copy(program, root)
    shutil.copy("/etc/passwd", root / "etc")
    home.mkdir()
    os.chown(home, OWNER, OWNER)
    (shown / "gaol").mkdir()
    (shown / "home").mkdir()
    shown.chmod(0o777)
    place = Place(kernel, programs, root, home, shown, request.param == "jailed")
    yield place
    for started in place.started:
        started.kill()
    shutil.rmtree(shown)
    subprocess.run(["btrfs", "--quiet", "subvolume", "delete", root], check=True)
