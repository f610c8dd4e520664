"""run, exec, shell: commands inside a machine, with the caller's own terminal and streams."""

from __future__ import annotations

import os
import sys

from gaoler.cli import terminal
from gaoler.cli.arguments import AFTER_PLACES, MACHINE, MACHINE_OPTIONS, MAYBE_MACHINE, USER, Command, flag, spec_of
from gaoler.cli.output import clean
from gaoler.client import Gaoler
from gaoler.client.session import Session
from gaoler.errors import Failed, GaolerError, Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_TO_PASS_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def _run(options: Any) -> int:
    if not options.words:
        raise _no_command("gaol run -- uname -a")
    with Gaoler() as gaoler:
        command = _command(options, options.words, directory=_here())
        return _passing(gaoler, "Run", {"spec": spec_of("run", options), "command": command}, options)


def _passing(gaoler: Gaoler, method: str, parameters: dict[str, Any], options: Any) -> int:
    """Attend to a command in a machine that lives as long as it."""
    replies = gaoler.replies(method, parameters)
    for reply in replies:
        if reply.get("session"):
            break
    try:
        return _attend(gaoler, options)
    finally:
        # Our end of the conversation is the machine's life: with it gone the daemon clears up, and tells when it is
        # done, or why the machine did not start: its error takes the place of ours.
        gaoler.connection.sock.shutdown(1)
        for _ in replies:
            pass


def _exec(options: Any) -> int:
    if not options.words:
        raise _no_command(f"gaol exec {options.name} -- id")
    if options.rescue:
        return _rescue(options, _command(options, options.words))
    if options.detach:
        options.no_stdin = True
        return _session(options, _command(options, ["sh", "-c", _DETACHED, "sh", *options.words], options.user))
    return _session(options, _command(options, options.words, options.user))


def _rescue(options: Any, command: dict[str, Any]) -> int:
    if options.user != "root":
        raise Usage("a rescue is root's", "the accounts of a stopped machine are not there", "gaol shell --rescue NAME")
    with Gaoler() as gaoler:
        return _passing(gaoler, "Rescue", {"name": options.name, "command": command}, options)


def _shell(options: Any) -> int:
    if not options.no_stdin:
        terminal.wait_for_it()
    if options.rescue:
        return _rescue(options, _command(options, []))
    return _session(options, {**_command(options, [], options.user), "login": True})


def _no_command(hint: str) -> Usage:
    return Usage("no command to run", "it comes after --", hint)


def _session(options: Any, command: dict[str, Any]) -> int:
    with Gaoler() as gaoler:
        reply = gaoler.call("Exec", command=command, name=options.name)
        if reply.get("welcome"):
            print(clean(reply["welcome"], keep="\n"), file=sys.stderr)
        return _attend(gaoler, options)


def _command(options: Any, arguments: list[str], user: str = "root", directory: str | None = None) -> dict[str, Any]:
    mask = os.umask(0)  # there is no way to ask without setting it
    os.umask(mask)
    command: dict[str, Any] = {"arguments": arguments, "user": user}
    if mask != _USUAL_MASK:
        command["umask"] = mask
    if directory:
        command["directory"] = directory
    if not options.no_stdin and terminal.is_there():
        columns, rows = os.get_terminal_size(0)
        command["terminal"] = {"rows": rows, "columns": columns}
        command["environment"] = {"TERM": os.environ.get("TERM", "linux")}
    return command


_USUAL_MASK = 0o22
_TO_END = 10.0
"""Seconds that a command has to end after SIGTERM. Then we end without it, as at once when we are told a second time."""


def _here() -> str:
    """The directory that we are in. Raises Failed where it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise Failed("the directory that you are in is gone", "it was removed or replaced", "cd") from None


def _attend(gaoler: Gaoler, options: Any) -> int:
    """Be the terminal and the streams of the session that the last reply brought, until it ends."""
    import signal  # late: 4 ms, while the machine starts

    session = Session(gaoler.descriptors())
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    pending: list[int] = []
    raw = terminal.Raw() if session.has_terminal else None

    def note(number: int, _: FrameType | None) -> None:
        pending.append(number)

    def resize() -> None:
        try:
            columns, rows = os.get_terminal_size(0)
        except OSError:
            return  # it has hung up
        session.resize(rows, columns)

    def deliver() -> None:
        while pending:
            number = pending.pop(0)
            if number == signal.SIGWINCH:
                resize()
            elif number == signal.SIGCONT and raw:
                raw.begin()
                resize()
            elif number == signal.SIGHUP and session.has_terminal:
                session.hang_up()
            elif number == signal.SIGALRM:
                session.leave(128 + signal.SIGTERM)
            elif number == signal.SIGTERM:
                session.signal(number)
                if signal.setitimer(signal.ITIMER_REAL, _TO_END)[0]:  # the second time they ask
                    session.leave(128 + signal.SIGTERM)
            elif number != signal.SIGCONT:
                session.signal(number)

    for name in _TO_PASS_ON:
        signal.signal(getattr(signal, name), note)
    signal.signal(signal.SIGALRM, note)
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # a read in the background fails instead of stopping us
    stdin = 0 if not options.no_stdin and terminal.readable() else None
    if raw:
        signal.signal(signal.SIGWINCH, note)
        signal.signal(signal.SIGCONT, note)
        code: int = raw.during(lambda: session.copy(stdin, [1], reader, deliver))
    else:
        code = session.copy(stdin, [1, 2], reader, deliver)
    if session.complaint:
        raise _why(options, session, code)
    if session.killed:
        from gaoler.cli.explain import told_of_memory

        told_of_memory(session.killed, vars(options).get("name"))
    return code


def _why(options: Any, session: Session, code: int) -> GaolerError:
    from gaoler.cli import explain

    if session.lost and "name" in vars(options):
        return explain.ended(options.name, session.complaint)
    start = f"gaol exec {options.name} --" if "name" in vars(options) else "gaol run --"
    return explain.not_run(session.complaint, code, start, vars(options).get("words", ()))


_RESCUE = flag("--rescue", about="of a machine that is stopped or broken: in a fresh one of its base, with its files at /mnt")
_NO_STDIN = flag("-n", "--no-stdin", about="don't read standard input: for background jobs")

# docker's, which say nothing new: there is a terminal where there is one here, and standard input is read.
_DOCKERS = (flag("-i", "--interactive", about=""), flag("-t", "--tty", about=""))

_DETACHED = """
command -v "$1" >/dev/null || { echo "gaol: $1 is not installed in this machine" >&2; exit 127; }
if [ -w /dev/console ]; then exec 3>/dev/console; else exec 3>/dev/null; fi
setsid "$@" </dev/null >&3 2>&3 &
echo $!
"""
"""A session of its own, which no hang-up ends."""

COMMANDS = {
    "run": Command(
        _run,
        "Make a fresh machine, run one command in it as root, then throw the machine away. Your home directory is there, and "
        "the command starts in the directory you are in, if that is in your home. Exits with the command's exit code.",
        *MACHINE_OPTIONS,
        _NO_STDIN,
        *_DOCKERS,
        flag("--rm", about=""),
        words="COMMAND...",
        examples=(
            ("gaol run -- uname -a", ""),
            ("gaol run --base trixie -- apt-get --version", ""),
            ("echo hello | gaol run -- tr a-z A-Z", "pipes work as with any command"),
        ),
    ),
    "exec": Command(
        _exec,
        "Run a command in a running machine, on your terminal or in your pipes. Exits with the command's exit code.",
        MACHINE,
        USER,
        _NO_STDIN,
        flag(
            "-d",
            "--detach",
            about="leave it running inside, and print its process id; what it says goes to gaol log, if it is root's",
        ),
        _RESCUE,
        *_DOCKERS,
        words="COMMAND...",
        begin=AFTER_PLACES,
        examples=(("gaol exec web -- apt-get install -y nginx", ""), ("gaol exec web -- sh -c 'cd /var/log && ls | head'", "")),
    ),
    "shell": Command(
        _shell,
        "Open a login shell in a running machine. No network is needed. Leave with Ctrl-D; the machine keeps running.",
        MAYBE_MACHINE,
        USER,
        _NO_STDIN,
        _RESCUE,
        examples=(("gaol shell web", ""), ("gaol shell web --user $USER", "as yourself rather than root")),
    ),
}
