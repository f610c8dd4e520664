"""The parser that all commands share: argparse, with our errors and the `--` of commands to run inside."""

from __future__ import annotations

import argparse

from gaoler.errors import Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Raises Usage instead of exiting."""

    def __init__(self, command: str, description: str, **options: str) -> None:
        super().__init__(
            prog=f"gaol {command}",
            description=description,
            allow_abbrev=False,
            **options,  # type: ignore[arg-type]
        )

    def error(self, message: str) -> NoReturn:
        raise Usage("that can't be understood", message, f"{self.prog} --help")


def split_command(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before `--`, and the command after it (None without one)."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def add_name(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """The machine's NAME; `OWNER/NAME` is another user's, for administrators."""
    parser.add_argument("name", metavar="NAME", nargs="?" if optional else None)


def split_owner(name: str | None) -> dict[str, str | None]:
    """`alice/web` as owner and name."""
    owner, slash, rest = (name or "").partition("/")
    return {"owner": owner, "name": rest} if slash else {"owner": None, "name": name}


def add_spec(parser: argparse.ArgumentParser, *, whole: bool) -> None:
    """The options that say what a machine is to be."""
    parser.add_argument("--base", metavar="BASE", help="the tree it is cloned from")
    parser.add_argument("--memory", metavar="SIZE", help="for instance 512M or 2G")
    parser.add_argument("--kernel", metavar="KERNEL", help="one of gaol kernel ls")
    parser.add_argument("--no-network", action="store_true", help="no network, and no waiting for one")
    parser.add_argument("--no-home", action="store_true", help="without your home directory")
    parser.add_argument("--mode", choices=("seccomp", "ptrace"), help="how programs inside are held (ptrace: slower)")
    if whole:
        parser.add_argument("--cpus", metavar="N", type=float, help="processors' worth of time")
        parser.add_argument("--disk", metavar="SIZE", help="what its files may take")
        parser.add_argument("--ttl", metavar="DURATION", help="it is stopped after that, for instance 2h")
        parser.add_argument("--init", choices=("startenv", "systemd"), help="what starts its services")


def spec_of(options: argparse.Namespace) -> dict[str, object]:
    """Those options as a request's `spec`."""
    from gaoler.wire.limits import duration, size

    spec: dict[str, object] = {"home": not options.no_home, "network": not options.no_network}
    for name, convert in (("base", str), ("kernel", str), ("memory", size), ("cpus", float), ("disk", size),
                          ("ttl", duration), ("init", str), ("mode", str)):  # fmt: skip
        value = getattr(options, name, None)
        if value is not None:
            spec[name] = convert(value)
    return spec
