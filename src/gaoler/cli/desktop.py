"""desktop: a machine's desktop, on the page, in a viewer on this display, or as RFB for any VNC client."""

from __future__ import annotations

import os
import sys

from gaoler.cli.arguments import JSON, KEPT_OPTIONS, MACHINE_OPTIONS, Command, flag, place, spec_of
from gaoler.cli.output import Progress, clean, show
from gaoler.client import DEFAULT_SOCKET, Gaoler
from gaoler.errors import Failed, NotFound

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

BASE = "debian-desktop"
"""What a machine with a desktop is made from where nothing else is said."""
MEMORY = 2 << 30
"""Bytes that it gets then: a browser takes more than machines have otherwise."""
NAME = "desktop"
PROGRAM = "/uml/bin/desktop"
VIEWERS = ("xtigervncviewer", "vncviewer")


def _desktop(options: Any) -> int:
    with Gaoler() as gaoler, Progress() as progress:
        name = options.name or NAME
        machine = gaoler.call("Up", progress, spec=_spec(gaoler, name, options), name=name)["machine"]
        progress({"step": "starting the desktop"})
        if not options.vnc:
            start(gaoler, machine)
    if options.vnc:
        return _carry(name, 0, 1)
    address = page(machine["name"])
    code = show({**machine, "page": address}, as_json=options.json, text=lambda: tell(machine, address))
    viewer = None if options.json else _viewer()
    return _look(viewer, machine["name"]) if viewer else code


def _spec(gaoler: Gaoler, name: str, options: Any) -> dict[str, Any]:
    """A machine that is there is taken as it is; a new one is made for a desktop."""
    spec = spec_of("desktop", options)
    try:
        gaoler.call("Inspect", name=name)
    except NotFound:
        spec.setdefault("base", BASE)
        spec.setdefault("memory", MEMORY)
    return spec


def start(gaoler: Gaoler, machine: dict[str, Any]) -> None:
    """Have the desktop of a machine that runs started, and wait until it can be looked at. Raises Failed."""
    from gaoler.client.session import Session

    gaoler.call("Exec", name=machine["name"], owner=machine["owner"], command={"arguments": [PROGRAM, "start"]})
    session = Session(gaoler.descriptors())
    reading, writing = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        code = session.copy(None, [nowhere, writing])
    finally:
        os.close(writing)
        os.close(nowhere)
    with os.fdopen(reading, "rb") as complaints:  # a pipe holds more than the line that it says
        why = complaints.read(2000).decode(errors="replace").strip()
    if code:
        raise Failed(f"can't start a desktop in {machine['name']}", why or session.complaint, f"gaol desktop NAME --base {BASE}")


def page(name: str) -> str | None:
    """The address of a machine's desktop on the page; None where no page is served."""
    runtime = os.path.dirname(os.environ.get("GAOLER_SOCKET") or DEFAULT_SOCKET)
    try:
        with open(f"{runtime}/web") as file:
            return f"{file.readline(200).strip()}/m/{name}/desktop"
    except OSError:
        return None


def tell(machine: dict[str, Any], address: str | None) -> None:
    name = clean(machine["name"])
    if address:
        print(f"{name}  {address}")
    else:
        print(f"{name}  its desktop runs")
        print(f"gaol: no page is served on this host; any VNC client takes it from: gaol desktop {name} --vnc", file=sys.stderr)


def _viewer() -> str | None:
    """A VNC viewer, where there is a display to show it on."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    from shutil import which

    return next((found for name in VIEWERS if (found := which(name))), None)


def _look(viewer: str, name: str) -> int:
    """Show the desktop in a viewer until that is closed; the desktop runs on."""
    import socket
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gaol-") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/vnc")
        listener.listen(1)
        with subprocess.Popen([viewer, f"{directory}/vnc"], stdin=subprocess.DEVNULL) as shown:
            listener.settimeout(20)
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                shown.terminate()
                raise Failed(f"{viewer} does not connect", "in 20 s", f"gaol desktop {name} --vnc") from None
            with sock:
                sock.setblocking(True)
                return _carry(name, sock.fileno(), sock.fileno())


def _carry(name: str, source: int, sink: int) -> int:
    """RFB between those descriptors and the machine's desktop, until one side ends."""
    from gaoler.client.session import Session

    with Gaoler() as gaoler:
        gaoler.call("Exec", name=name, command={"arguments": [PROGRAM, "connect"]})
        return Session(gaoler.descriptors()).copy(source, [sink, 2])


COMMANDS = {
    "desktop": Command(
        _desktop,
        f"Open your desktop in a machine: make the machine (from {BASE}) if there is none of that name, start it and its "
        "desktop, and print the desktop's address on the page. Where there is a display and a VNC viewer, the viewer shows it. "
        "Closing page or viewer leaves the desktop running; a second start finds it.",
        place("NAME", f'the machine; "{NAME}" where none is named', optional=True),
        *MACHINE_OPTIONS,
        *KEPT_OPTIONS,
        flag("--vnc", about="carry the desktop's RFB on standard input and output, for a VNC client"),
        JSON,
        examples=(
            ("gaol desktop", ""),
            ("gaol desktop lab --memory 4G", ""),
            ("socat UNIX-LISTEN:vnc,fork EXEC:'gaol desktop lab --vnc'", "a socket for any VNC client"),
        ),
    ),
}
