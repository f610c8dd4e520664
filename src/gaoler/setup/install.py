"""Installs the program: a copy of the checkout's trees, and the commands `gaol`, `gaoler` and `gaoler-web`.

Where the checkout lies, and whether it stays, does not matter afterwards.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from gaoler import files
from gaoler.host.command import run
from gaoler.host.stream import plain_environment
from gaoler.setup import unit_files
from gaoler.setup.facts import manuals
from gaoler.setup.settings import Settings

#: What of the checkout is installed.
TREES = ("src", "kernel", "guest", "packaging", "docs", "pyproject.toml", "LICENSE")

#: Debian's Python without its site packages starts in 7 ms, and the command line needs the standard library alone.
GAOL = """#!/usr/bin/python3 -IS
import os
import sys
try:
    with open({socket!r}) as file:
        os.environ.setdefault("GAOLER_SOCKET", file.read())
except OSError:
    pass
os.environ.setdefault("GAOLER_CONFIG", {configuration!r})
os.environ.setdefault("GAOLER_INSTANCE", {instance!r})
sys.path.insert(0, {source!r})
from gaoler.cli.main import main
sys.exit(main())
"""

GAOLER = """#!{python} -I
import os
import sys
os.environ.setdefault("GAOLER_CONFIG", {configuration!r})
os.environ.setdefault("GAOLER_INSTANCE", {instance!r})
sys.path.insert(0, {source!r})
from gaoler.daemon.main import main
sys.exit(main())
"""

WEB = """#!{python} -I
import os
import sys
os.environ.setdefault("GAOLER_CONFIG", {configuration!r})
os.environ.setdefault("GAOLER_INSTANCE", {instance!r})
sys.path.insert(0, {source!r})
from gaoler.web.main import main
sys.exit(main({packages!r}))
"""


def shipped(tree: Path) -> Iterator[Path]:
    """What is installed, in a fixed order."""
    for name in TREES:
        top = tree / name
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def digest(tree: Path) -> str:
    """Names a tree by what is in it: 12 hex digits."""
    total = hashlib.sha256()
    for path in shipped(tree):
        total.update(f"{path.relative_to(tree)}\0{os.access(path, os.X_OK)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def commands(settings: Settings) -> dict[Path, str]:
    """The commands' text; they name the link, so that they stay when the tree changes.

    Each speaks for its own installation, wherever that is.
    """
    own = {
        "source": str(settings.current / "src"),
        "python": settings.python,
        "configuration": str(settings.configuration),
        "instance": unit_files.instance(settings),
        "socket": str(settings.socket),
        "packages": str(settings.page / "node_modules"),
    }
    texts = {"gaol": GAOL, "gaoler": GAOLER, "gaoler-web": WEB}
    return {settings.commands / name: text.format(**own) for name, text in texts.items()}


def is_current(tree: Path, settings: Settings) -> bool:
    """Whether what is installed is what `tree` holds."""
    try:
        texts = all(path.read_text() == text for path, text in commands(settings).items())
    except OSError:
        return False
    return texts and os.path.realpath(settings.current) == str(settings.library.resolve() / digest(tree))


def install(tree: Path, settings: Settings) -> Path:
    """Puts a copy in place in one step, and removes all but the one before, which the daemon may still be running."""
    settings.library.mkdir(parents=True, exist_ok=True)
    place = settings.library / digest(tree)
    if not place.exists():
        staging = settings.library / f".{place.name}"
        shutil.rmtree(staging, ignore_errors=True)
        for path in shipped(tree):
            copy = staging / path.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        # Users can't write bytecode there, and each start would compile the source again.
        compileall.compile_dir(staging / "src", quiet=1)
        staging.rename(place)
    before = Path(os.path.realpath(settings.current)).name
    link = settings.library / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(place.name)
    link.rename(settings.current)
    stay = {place.name, before, settings.current.name, settings.environment.name, settings.page.name}
    for path in settings.library.iterdir():
        if path.is_dir() and path.name not in stay:
            shutil.rmtree(path)
    for path, text in commands(settings).items():
        write(path, text, 0o755)
    document(place, settings)
    return place


def manual_pages(settings: Settings) -> None:
    """gaoler(8) and gaoler.toml(5), which the daemon's code makes; that needs the environment to be there."""
    for name, text in manuals(settings).items():
        write(settings.manual(name), text, 0o644)


def write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, text.encode(), mode=mode)


def document(place: Path, settings: Settings) -> None:
    """Completions and gaol(1), which the installed commands make of themselves, and a link to the documents."""
    run(
        [sys.executable, "-m", "gaoler.cli.made", str(settings.prefix)],
        env={**plain_environment(), "PYTHONPATH": str(place / "src")},
    )
    settings.documents.parent.mkdir(parents=True, exist_ok=True)
    settings.documents.unlink(missing_ok=True)
    settings.documents.symlink_to(settings.current / "docs")
