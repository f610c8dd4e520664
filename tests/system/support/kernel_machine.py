"""A bare kernel under test: found, booted, watched and taken apart from the host's side."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from system.support.waiting import PATIENCE

PROGRAMS = Path(__file__).with_name("programs")
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000


@pytest.fixture(scope="session", name="kernel")
def kernel_fixture() -> str:
    """Fails rather than skips: a kernel that nobody tested is what this is here to prevent."""
    path = os.environ.get("GAOLER_TEST_KERNEL")
    assert path, "GAOLER_TEST_KERNEL names no kernel: set it to the `linux` that `gaol kernel build` made"
    return path


class Machine:
    """A booted kernel; `console` is all that it has printed so far. What started it ends with it."""

    def __init__(self, command: Sequence[str | Path], pass_fds: tuple[int, ...] = (), address: str = "") -> None:
        self.address = address
        self.console = ""
        self.process = subprocess.Popen(
            command, pass_fds=pass_fds, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            umask=0, start_new_session=True,
        )  # fmt: skip
        self._changed = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self.console += line.decode(errors="replace").replace("\r", "")
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.console or not self.reader.is_alive(), timeout)
        assert found, f"no {text!r} on the console in {timeout} s:\n{self.console}"
        assert text in self.console, f"ended without {text!r} on the console:\n{self.console}"

    def kill(self) -> None:
        """At once, and wait for the end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()

    def connect(self, what: str) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(30)
        stream.connect(self.address)
        stream.sendall(what.encode())
        return stream

    def finish(self, timeout: float = PATIENCE) -> str:
        """Wait for its end by itself; gives back the console."""
        assert self.process.wait(timeout) == 0, self.console
        self.reader.join()
        return self.console

    def power_off(self) -> str:
        self.connect("q").close()
        return self.finish()


_HEADERS = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]


def make_initramfs(source: Path, directory: Path) -> Path:
    """Of one static program, compiled from `source`, as /init."""
    tree = directory / "initramfs"
    (tree / "dev").mkdir(parents=True)
    compiler = ["musl-gcc", "-static", "-O2", "-Wall", "-Werror", *_HEADERS]
    subprocess.run([*compiler, "-o", tree / "init", source], check=True)
    archive = directory / "initramfs.cpio"
    with archive.open("wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=b"init\ndev\n", stdout=out, check=True)
    return archive


def console_of(kernel: str, initramfs: Path, *words: str) -> str:
    """What a machine without anything else prints until it ends by itself."""
    directory = tempfile.mkdtemp(prefix="gaoler-kernel-")  # pytest's own are too long for the name of a socket
    command = [
        "unshare", "--net", "--pid", "--fork", "--kill-child",
        kernel, "mem=128M", f"initrd={initramfs}", "con=null", "con0=null,fd:1", "noreboot", "panic=-1",
        f"uml_dir={directory}", f"umid={secrets.token_hex(4)}", *words,
    ]  # fmt: skip
    machine = Machine(command)
    try:
        return machine.finish()
    finally:
        machine.kill()
        shutil.rmtree(directory)


def passed(console: str, *names: str) -> None:
    """All checks of the machine passed, and those of these names were made."""
    assert "failed" not in console.replace("Failed", ""), console
    for name in names:
        assert f"check {name} ok\n" in console, f"{name} was not reached:\n{console}"


def children(parent: int) -> list[tuple[int, str]]:
    """Process ids and names, oldest first."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = status.read_text().split(" (", 1)
            name, fields = rest.rsplit(") ", 1)
            if int(fields.split()[1]) == parent:
                found.append((int(pid), name))
    return sorted(found)


def kernel_pid(machine: Machine) -> int:
    [(pid, _)] = children(machine.process.pid)
    return pid


def stubs(machine: Machine) -> list[int]:
    """The host processes that programs of the machine run in."""
    return [pid for pid, name in children(kernel_pid(machine)) if name == "uml-userspace"]


def cpu_seconds(machine: Machine) -> float:
    """Of the kernel's own process, the child of unshare."""
    pid = kernel_pid(machine)
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def open_tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI_VNET_HDR))
    return fd


@pytest.fixture(name="tap")
def tap_fixture() -> Iterator[tuple[int, str]]:
    """A TAP's descriptor and the network namespace that its other end is in, as 10.83.0.1/24."""
    name = f"k1t{secrets.token_hex(3)}"
    with contextlib.ExitStack() as stack:
        fd = open_tap(name)
        stack.callback(os.close, fd)
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "delete", name)
        run("ip", "link", "set", name, "netns", name)
        run("ip", "-n", name, "address", "add", "10.83.0.1/24", "dev", name)
        run("ip", "-n", name, "link", "set", name, "up")
        yield fd, name
