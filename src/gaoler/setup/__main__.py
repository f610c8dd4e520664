"""The Makefile's targets: `python3 -m gaoler.setup TARGET`."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext

from gaoler.errors import GaolerError, NotAllowed, Usage
from gaoler.kernels import alone, worktree
from gaoler.progress import Display
from gaoler.setup import checks, down, lint, purge, up
from gaoler.setup.locking import locked
from gaoler.setup.settings import Settings

_LOCKED = ("up", "down", "purge")


def fixes(settings: Settings, display: Display) -> None:
    names = alone.show(settings.cache, os.environ.get("WHOLE") == "1", display.report)
    display.say(f"{len(names)} fixes apply to a plain source and build, each by itself")


def main(words: list[str]) -> int:
    display = Display()
    settings = Settings.of()
    targets: dict[str, Callable[[], None]] = {
        "up": lambda: up.up(settings, display),
        "down": lambda: down.down(settings, display),
        "purge": lambda: purge.purge(settings, display, os.environ.get("YES") == "1"),
        "test": lambda: checks.test(settings, display, words[1:]),
        "hosts": lambda: checks.hosts(settings, display, words[1:]),
        "desktop": lambda: checks.desktop(settings, display, words[1:]),
        "lint": lambda: lint.lint(settings.cache, display),
        "kernel-fixes": lambda: fixes(settings, display),
        "kernel-tree": lambda: worktree.make(os.environ.get("TREE", ""), settings.cache, display.report),
    }
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends us, what we started ends and half-made things go
        signal.signal(number, signal.default_int_handler)
    try:
        if not words or words[0] not in targets:
            raise Usage("no such target", " ".join(words[:1]), f"make {{{','.join(targets)}}}")
        if words[0] not in ("lint", "kernel-tree", "kernel-fixes") and os.geteuid() != 0:
            raise NotAllowed(f"make {words[0]} must be run by root", "it installs packages and mounts", f"sudo make {words[0]}")
        if words[0] == "up":
            settings.prefix.mkdir(parents=True, exist_ok=True)
        with locked(settings.prefix) if words[0] in _LOCKED else nullcontext():
            targets[words[0]]()
    except GaolerError as error:
        display.say("")
        print(f"gaoler: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return error.code
    except OSError as error:
        display.say("")
        place = f"{error.filename}: " if error.filename else ""
        print(f"gaoler: make {words[0]} can't go on: {place}{error.strerror or error}", file=sys.stderr)
        look = "df -h" if error.errno == errno.ENOSPC else f"sudo make {words[0]}"
        print(f"try: {look}; what is done stays, and the same command goes on from there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngaoler: interrupted; what is done stays, and the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
