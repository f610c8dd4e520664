"""Builds what runs inside machines, and installs it into the store."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from gaoler import places
from gaoler.host.stream import stream
from gaoler.progress import Progress, Report
from gaoler.store.paths import GUEST_FILES

#: Says which sources the installed files are from.
STAMP = "lib/guest-version"


def digest() -> str:
    """12 hex digits over the sources."""
    total = hashlib.sha256()
    for path in sorted(places.GUEST.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(places.GUEST)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def is_current(target: Path) -> bool:
    try:
        return (target / STAMP).read_text() == digest() and all((target / name).is_file() for name in GUEST_FILES)
    except OSError:
        return False


def install(target: Path, cache: Path, report: Report) -> None:
    """Puts the programs and files under `target`; raises Failed with the compiler's last words."""
    output = cache / "guest" / digest()
    for other in (cache / "guest").glob("*"):
        if other != output:
            shutil.rmtree(other)
    report(Progress("guest files"))
    stream(
        ["make", "-C", str(places.GUEST), f"O={output}", "DESTDIR=", f"PREFIX={target}", "install"],
        lambda _: None,
        what="can't build what runs inside machines",
        hint="the lines above name the file; components are installed by: sudo make up",
    )
    (target / STAMP).write_text(digest())
