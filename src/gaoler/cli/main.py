"""Find the command, run it, turn what it raises into text and an exit code.

Only the module of the command that was asked for is imported: a command line must answer in a keystroke's time.
"""

from __future__ import annotations

import os
import sys

from gaoler.cli.commands import COMMANDS
from gaoler.errors import Failed, GaolerError, Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import NoReturn

    from gaoler.cli.arguments import Command

_INTERRUPTED = 130


def dispatch(arguments: list[str]) -> int:
    """Run the command line and return its exit code. Raises GaolerError."""
    if not arguments:
        from gaoler.cli.start import start

        return start()
    name, *rest = arguments
    if name in ("--help", "-h", "help"):
        return _help([word for word in rest if not word.startswith("-")])
    if name in ("--version", "version"):
        from gaoler import __version__

        print(f"gaol {__version__}")
        return 0
    if name in COMMANDS and not COMMANDS[name][0]:  # a noun
        if not rest or rest[0] in ("--help", "-h"):
            return _help([name], asked=bool(rest))
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name not in COMMANDS:
        from gaoler.cli.guess import TAKEN, unknown

        if name not in TAKEN:
            raise unknown(name, rest)
        name = TAKEN[name]
    command = _command(name)
    options = command.parse(name, rest)
    return _help([name]) if options is None else command.run(options)


def _command(name: str) -> Command:
    module = __import__(f"gaoler.cli.{COMMANDS[name][0]}", fromlist=("COMMANDS",))  # importlib takes a millisecond
    command: Command = module.COMMANDS[name]
    return command


def _help(words: list[str], *, asked: bool = True) -> int:
    from gaoler.cli import help_text

    name = " ".join(words)
    if name and name not in COMMANDS:
        from gaoler.cli.guess import unknown

        raise unknown(name, [])
    text = help_text.overview() if not name else help_text.of_command(name) if COMMANDS[name][0] else help_text.of_noun(name)
    print(text, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else Usage.code


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

        complain(Failed(error.filename or "the answer can't be written", error.strerror or str(error), "df ."))
        return Failed.code
    except Exception as error:
        from gaoler.cli.output import complain

        complain(_ours(error))
        return Failed.code


def _ours(error: Exception) -> Failed:
    """The error for a mistake of gaol's own: what whoever mends it needs, in a line."""
    at = error.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    where = f", {os.path.basename(at.tb_frame.f_code.co_filename)} line {at.tb_lineno}" if at else ""
    why = f"{type(error).__name__}: {error}{where}; your administrators will want to know"
    return Failed("that is a mistake in gaol itself", why, "gaol doctor")


if __name__ == "__main__":
    main()
