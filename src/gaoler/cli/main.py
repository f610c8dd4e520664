"""Find the command, run it, turn what it raises into text and an exit code.

Only the module of the command that was asked for is imported: a command line must answer in a keystroke's time.
"""

from __future__ import annotations

import os
import sys

from gaoler.errors import Failed, GaolerError, Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import NoReturn

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("sessions", "a fresh machine, one command in it, then all is thrown away"),
    "up": ("machines", "make and start a machine, and wait until it is ready"),
    "shell": ("sessions", "a login shell in a machine"),
    "exec": ("sessions", "run a command in a machine"),
    "ssh": ("ssh", "OpenSSH to a machine"),
    "ssh-config": ("ssh", "a Host block for ~/.ssh/config"),
    "cp": ("copy", "copy files into a machine or out of it"),
    "ls": ("machines", "the machines there are"),
    "info": ("machines", "all about one machine"),
    "top": ("machines", "what running machines use"),
    "log": ("machines", "what a machine's console said"),
    "wait": ("machines", "wait until a machine is ready or stopped"),
    "down": ("machines", "stop a machine; its files stay"),
    "rm": ("machines", "stop a machine and throw it away"),
    "snapshot": ("snapshots", "remember a machine's files as they are now"),
    "restore": ("snapshots", "go back to a snapshot"),
    "clone": ("snapshots", "a new machine with the files of another"),
    "publish": ("bases", "make a machine's files a base that others can clone"),
    "base": ("bases", "the trees that machines are cloned from (administrator)"),
    "kernel": ("administration", "the kernels that machines run (administrator)"),
    "store": ("administration", "the file system at /uml (administrator)"),
    "metrics": ("administration", "what is counted and measured, for Prometheus (administrator)"),
    "doctor": ("doctor", "check this host, and say what is missing and how to mend it"),
}
_MEANT = {
    "start": "up", "create": "up", "new": "up", "launch": "up",
    "stop": "down", "halt": "down", "shutdown": "down",
    "restart": "down NAME, then gaol up NAME", "reboot": "down NAME, then gaol up NAME",
    "delete": "rm", "remove": "rm", "destroy": "rm",
    "list": "ls", "ps": "ls", "status": "info", "show": "info", "inspect": "info", "logs": "log", "images": "base ls",
    "console": "shell", "attach": "shell", "enter": "shell", "login": "shell",
    "copy": "cp", "rollback": "restore", "revert": "restore",
}  # fmt: skip
"""What other programs of this kind call things, where no likeness of letters would find it."""
_INTERRUPTED = 130


def usage() -> str:
    lines = ["usage: gaol COMMAND ...", ""]
    lines += [f"  {name:<12}{text}" for name, (_, text) in COMMANDS.items()]
    lines += ["", "gaol COMMAND --help says more. A first machine: gaol run -- uname -a"]
    return "\n".join(lines)


def dispatch(arguments: list[str]) -> int:
    """Run the command line and return its exit code. Raises GaolerError."""
    if not arguments:
        print(usage(), file=sys.stderr)
        return Usage.code
    name, *rest = arguments
    if name == "help" and rest and rest[0] in COMMANDS:
        name, rest = rest[0], ["--help"]
    if name in ("--help", "-h", "help"):
        print(usage())
        return 0
    if name in ("--version", "version"):
        from gaoler import __version__

        print(f"gaol {__version__}")
        return 0
    if name not in COMMANDS:
        from difflib import get_close_matches

        near = _MEANT.get(name) or next(iter(get_close_matches(name, COMMANDS, 1)), "--help")
        hint = f"gaol {near}"
        if rest and "NAME" in near:
            hint = hint.replace("NAME", rest[0])
        elif near != "--help":
            from shlex import join

            hint = join(["gaol", *near.split(), *rest])
        raise Usage(f'no command "{name[:40]}"', "gaol --help lists them", hint)
    module = __import__(f"gaoler.cli.{COMMANDS[name][0]}", fromlist=("main",))  # importlib takes a millisecond
    code: int = module.main(name, rest)
    return code


def _fill_streams() -> None:
    """A caller may have closed 0, 1 or 2: without this our own sockets would get those numbers, and be read as streams."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open("/dev/null", mode))  # noqa: SIM115 - for as long as we run


def main() -> NoReturn:
    """Answer, and end the process without Python's taking itself apart, for which 3 ms are too long."""
    _fill_streams()
    code = _answer()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # nobody reads it
    os._exit(code)


def _answer() -> int:
    arguments = sys.argv[1:]
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except GaolerError as error:
        from gaoler.cli.output import complain

        complain(error)
        # run and exec pass the command's own codes on, so their own failures are told apart as 125.
        inside = bool(arguments) and arguments[0] in ("run", "exec") and error.code == 1
        return 125 if inside else error.code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # `gaol ls | head`: nobody wants the rest. Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        from gaoler.cli.output import complain

        complain(Failed(error.filename or "the answer can't be written", error.strerror or str(error)))
        return Failed.code


if __name__ == "__main__":
    main()
