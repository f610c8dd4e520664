"""What `gaoler` takes on its command line, and gaoler(8), which is made from it: `python3 -m gaoler.daemon.options`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gaoler import __version__, roff

DEFAULT_CONFIGURATION = "/etc/gaoler/gaoler.toml"

_ABOUT = """\
gaoler is the daemon behind gaol(1): it makes, starts and stops machines for every user of the host, and must be root. It
listens on a socket that every user may open, and knows who asks by what the kernel says of them. Machines outlive it: stopped,
restarted, upgraded or killed, it finds them again.

Where systemd runs the host it is gaoler.service; make up installs it. Its log is what journalctl -u gaoler shows, or
gaoler.log in its runtime directory.

SIGHUP, which systemctl reload gaoler sends when the configuration is good, has it read its configuration anew: what is granted to
whom, defaults of machines, bases and metrics hold at once, everything else when it starts next. A mistake stops nothing: a daemon
that runs goes on with what it had, and one that starts takes the last configuration that was good, which is kept beside the
file, says so in its log, and gaol doctor tells it.
"""
_FILES = (
    (DEFAULT_CONFIGURATION, "its configuration, gaoler.toml(5)"),
    (f"{DEFAULT_CONFIGURATION}.last-good", "the last one that a daemon served with, for when that has a mistake"),
    ("/run/gaoler/gaoler.sock", "its socket"),
    ("/var/lib/gaoler/audit", "who did what to whose machine: a line of JSON each, in a file a day"),
    ("/uml", "the store: bases, kernels, machines"),
)
_ENVIRONMENT = (("GAOLER_CONFIG", f"the configuration, instead of {DEFAULT_CONFIGURATION}"),)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("gaoler", description="The daemon behind gaol.")
    made.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path(os.environ.get("GAOLER_CONFIG") or DEFAULT_CONFIGURATION),
        help=f"the configuration, instead of {DEFAULT_CONFIGURATION}",
    )
    made.add_argument(
        "--check", action="store_true", help="check the configuration against this host, tell every mistake, and end"
    )
    made.add_argument("--doctor", action="store_true", help="check the host, print what was found as JSON, and end")
    made.add_argument("--make-store", action="store_true", help="make and mount the store, and end")
    made.add_argument("--anew", action="store_true", help="with --make-store: an empty one, though there were machines")
    made.add_argument("--grow-store", action="store_true", help="let the store take what its image or device has become, and end")
    made.add_argument("--move-store", metavar="DEVICE", type=Path, help="move the store to a device, machines and all, and end")
    made.add_argument("--close", action="store_true", help="take down the network that the daemon left, and end")
    made.add_argument("--verbose", action="store_true", help="log more")
    made.add_argument("--version", action="version", version=f"gaoler {__version__}", help="print the version, and end")
    return made


def manual() -> str:
    """gaoler(8)."""
    parts = [
        roff.title("gaoler", 8, f"gaoler {__version__}"),
        roff.heading("Name"),
        "gaoler \\- the daemon that gives every user Linux machines",
        roff.heading("Synopsis"),
        f"{roff.bold('gaoler')} [\\fIOPTION\\fR...]",
        roff.heading("Description"),
        *(roff.paragraph(text) for text in _ABOUT.strip().split("\n\n")),
        roff.heading("Options"),
    ]
    for action in parser()._actions:  # noqa: SLF001 - argparse tells them no other way
        value = f" {action.metavar}" if action.metavar else ""
        text = "print help, and end" if action.dest == "help" else str(action.help)
        parts.append(roff.item(", ".join(action.option_strings) + value, f"{text[:1].upper()}{text[1:]}."))
    for title, items in (("Environment", _ENVIRONMENT), ("Files", _FILES)):
        parts += [roff.heading(title), *(roff.item(name, f"{text[:1].upper()}{text[1:]}.") for name, text in items)]
    parts += [roff.heading("See also"), f"{roff.bold('gaol')}(1), {roff.bold('gaoler.toml')}(5)"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(manual(), end="")
