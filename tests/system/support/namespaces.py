"""Network namespaces, and sockets that are made in one but used from here: a socket stays where it was made.

And a mount namespace for a while.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gaoler.host import libc

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000


class Namespace:
    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name

    def command(self, *words: object) -> list[str]:
        """To run `words` in it."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words: object, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words), **{"capture_output": True, "text": True, "timeout": 30, "check": False, **options}
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def inside(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread that has entered the namespace."""
        answers: list[T] = []

        def enter() -> None:
            with self.path.open() as namespace:
                libc.setns(namespace.fileno(), _CLONE_NEWNET)
            answers.append(work())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return answers[0]

    def listening(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.inside(lambda: socket.create_server((address, port), family=family))


@contextmanager
def namespace(name: str) -> Iterator[Namespace]:
    ip("netns", "add", name)
    try:
        made = Namespace(name)
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        ip("netns", "delete", name)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@contextmanager
def mounts_of_our_own() -> Iterator[None]:
    """In a mount namespace that nobody copies: or others' daemons, which start meanwhile, would hold our mounts."""
    directory = os.getcwd()
    with open("/proc/thread-self/ns/mnt", "rb") as before:
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, Path("/"), None, libc.MS_REC | libc.MS_PRIVATE)
        try:
            yield
        finally:
            libc.setns(before.fileno(), libc.CLONE_NEWNS)
            os.chdir(directory)
