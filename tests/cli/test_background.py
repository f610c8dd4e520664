"""Jobs of an interactive shell: in the background, what is typed is the shell's; brought back, it is the command's."""

import os
import sys
import threading
from contextlib import suppress

import pytest

from cli.conftest import SOURCES
from gaoler.client.session import FRAME
from system.support.terminal import Terminal


@pytest.fixture
def bash(tmp_path, daemon):
    """An interactive bash on a terminal, which knows `gaol`."""
    program = tmp_path / "gaol"
    code = f"import sys\nsys.path.insert(0, {str(SOURCES)!r})\nfrom gaoler.cli.main import main\nmain()\n"
    program.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{code}")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "GAOLER_SOCKET": daemon.path, "PS1": "$ ", "HISTFILE": ""}
    with Terminal(["bash", "--norc", "--noediting", "-i"], env=environment) as terminal:
        terminal.expect(r"\$ ")
        yield terminal


class Machine:
    """What runs inside: says `begin`, then waits until it is told to go on, says `end`."""

    def __init__(self):
        self.go_on = threading.Event()
        self.read = b""
        self.reading = threading.Condition()
        self.commands = []

    def __call__(self, streams, command):
        self.commands.append(command)
        control, stdin, stdout = streams[0], streams[1], streams[1] if len(streams) == 2 else streams[2]
        threading.Thread(target=self._take, args=(stdin,), daemon=True).start()
        stdout.sendall(b"begin\n")
        self.go_on.wait(30)
        stdout.sendall(b"end\n")
        control.sendall(FRAME.pack(b"E", 2) + bytes([0, 3]))
        for stream in streams:
            stream.close()

    def _take(self, stdin):
        with suppress(OSError):  # closed under us at the end
            while data := stdin.recv(1000):
                with self.reading:
                    self.read += data
                    self.reading.notify_all()
        with self.reading:
            self.read += b"<end>"
            self.reading.notify_all()

    def expect(self, text):
        with self.reading:
            assert self.reading.wait_for(lambda: text in self.read, 30), self.read


@pytest.fixture
def machine(daemon):
    machine = Machine()
    daemon.play("Exec", machine)
    return machine


def test_a_job_in_the_background_reads_nothing_and_prints(bash, machine):
    bash.type("gaol exec web -- server &\n")
    bash.expect("begin")
    bash.type("echo he''re\n")
    bash.expect("here")
    bash.type("jobs\n")
    bash.expect("Running +gaol exec web")
    machine.go_on.set()
    bash.expect("end")
    bash.type("wait %1; echo code=$?\n")
    bash.expect("code=3")
    assert "terminal" not in machine.commands[0]
    assert b"he" not in machine.read


def test_brought_to_the_foreground_it_reads(bash, machine):
    bash.type("gaol exec web -- cat &\n")
    bash.expect("begin")
    bash.type("fg\n")
    bash.expect("gaol exec web -- cat\r\n")
    bash.type("typed\n")
    machine.expect(b"typed\n")
    bash.type("\x04")
    machine.expect(b"<end>")
    machine.go_on.set()
    bash.expect("end")


def test_stopped_and_sent_to_the_background_it_goes_on(bash, machine):
    bash.type("gaol exec web -- server | cat\n")  # with its output elsewhere it has no terminal inside: Ctrl-Z is for it
    bash.expect("begin")
    bash.type("\x1a")
    bash.expect("Stopped")
    bash.type("bg\n")
    bash.type("echo he''re\n")
    bash.expect("here")
    machine.go_on.set()
    bash.expect("end")
    assert b"here" not in machine.read


def test_without_standard_input_nothing_is_read(bash, machine):
    bash.type("gaol exec web -n -- server; echo code=$?\n")
    bash.expect("begin")
    machine.expect(b"<end>")
    machine.go_on.set()
    bash.expect("code=3")
    assert machine.read == b"<end>"


def test_a_shell_in_the_background_waits_for_the_terminal(bash, machine):
    bash.type("gaol shell web &\n")
    bash.expect(r"\$ ")
    bash.type("until jobs -s | grep Sto; do sleep 0.1; done\n")
    bash.expect("Stopped")
    assert machine.commands == []
    bash.type("fg\n")
    bash.expect("begin")
    bash.type("ls\r")
    machine.expect(b"ls\r")
    assert machine.commands[0]["terminal"] == {"rows": 24, "columns": 80}
    machine.go_on.set()
    bash.expect("end")


def test_a_terminal_is_raw_again_after_it_was_stopped_from_outside(bash, machine):
    bash.type("gaol exec web -- editor\n")
    bash.expect("begin")
    bash.type("\x1a")  # goes to the machine
    machine.expect(b"\x1a")
    pid = int(os.popen(f"pgrep -P {bash.process.pid}").read().split()[0])
    os.kill(pid, 19)
    bash.expect("Stopped")
    bash.type("fg\n")
    bash.expect("gaol exec web -- editor\r\n")
    for _ in range(50):  # it takes the terminal when it hears of it
        bash.type("q")
        with machine.reading:
            if machine.reading.wait_for(lambda: machine.read.endswith(b"q"), 0.2):
                break
    assert machine.read.endswith(b"q")
    machine.go_on.set()
    bash.expect("end")


def test_a_directory_that_is_gone(daemon, gaol, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = gaol("run", "--", "ls", preexec_fn=lambda: (os.chdir(gone), os.rmdir(gone)))
    assert (done.returncode, done.stderr.splitlines()) == (
        125,
        ["gaol: the directory that you are in is gone: it was removed or replaced", "try: cd"],
    )
    assert daemon.calls == []
