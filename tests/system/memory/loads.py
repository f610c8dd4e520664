"""Machines that are given more to do than their memory holds, and what must be true of them afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gaoler.host import cgroup
from system.support.gateway import Done, Gateway
from system.support.machine import Machine, running
from system.support.users import User
from system.support.waiting import until

_SOURCE = Path(__file__).parents[1] / "support/programs/load.c"
_HEADERS = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]
LONG = 240.0
"""Seconds; what a load may take on a busy host before it is called stuck."""


@dataclass(frozen=True)
class Loaded:
    """A machine with the program `load` in it."""

    machine: Machine
    pid: int
    group: str

    def load(self, *words: str, guest_user: str = "root", **more: object) -> Done:
        """Run `load WORDS...` to its end, whatever that is; it holds what it got no longer than it takes to say so."""
        return self.machine.exec("load", *words, guest_user=guest_user, timeout=LONG, **more)

    def got(self, *words: str, **more: object) -> int:
        """How far it came; 0 where it was killed before it could say."""
        done = self.load(*words, **more)
        assert done.returncode in (0, 137), done.stderr
        self.lives()
        return int(done.stdout.split()[1]) if done.stdout.startswith("got ") else 0

    def fill_cache(self, megabytes: int) -> None:
        """As a machine is that has run for a day: all of its memory that nobody uses holds files."""
        self.machine.sh(f"head -c {megabytes}M /dev/zero > /big; cat /big > /dev/null; rm -f /none", timeout=LONG)

    def lives(self) -> None:
        """It is the same machine, it does what it is told, and the host has killed none of its processes."""
        info = self.machine.info()
        assert (info["state"], info["pid"]) == ("ready", self.pid), info["reason"]
        until(lambda: self.machine.exec("true", timeout=LONG).returncode == 0, "it starts programs, once those killed have gone")
        assert not cgroup.ran_out_of_memory(self.group)


def compile_load(directory: Path) -> Path:
    program = directory / "load"
    command = ["musl-gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", *_HEADERS, "-o", program, _SOURCE]
    subprocess.run(command, check=True)
    return program


@contextmanager
def loaded(gateway: Gateway, user: User, program: Path, memory: str, *options: str) -> Iterator[Loaded]:
    with running(gateway, user, "loaded", "--no-network", "--memory", memory, *options) as machine:
        machine.exec("sh", "-c", "cat > /bin/load && chmod 755 /bin/load", input=program.read_bytes(), text=False)
        pid = machine.info()["pid"]
        yield Loaded(machine, pid, cgroup_of(pid))


def cgroup_of(pid: int) -> str:
    """Where the machine's memory is counted, below the root of that hierarchy."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    counted = [path for _, controllers, path in lines if "memory" in controllers.split(",")]
    return (counted or [path for number, _, path in lines if number == "0"])[0]
