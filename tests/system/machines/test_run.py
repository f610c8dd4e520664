"""`gaol run`: a command in a machine of its own, as if it ran here."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import signal
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from system.support.machine import running
from system.support.terminal import Terminal
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def run(gateway, alice):
    """`gaol run --no-network -- COMMAND...` as alice."""

    def call(*command, options=(), **more):
        return gateway.gaol("run", "--no-network", *options, "--", *command, **{"user": alice, **more})

    return call


# streams and exit codes


def test_streams_and_exit_code_pass_through(run):
    done = run("sh", "-c", "echo out; echo err >&2; cat; exit 7", input="in\n")
    assert (done.stdout, done.stderr, done.returncode) == ("out\nin\n", "err\n", 7)


def test_fifty_megabytes_pass_unharmed_both_ways(run):
    data = random.Random(1).randbytes(50_000_000)
    done = run("cat", input=data, text=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == len(data)
    assert done.stdout == data


def test_stdout_and_stderr_stay_apart_when_both_are_full(run):
    done = run("sh", "-c", "seq 200000 & seq 200000 >&2; wait")
    expected = "".join(f"{number}\n" for number in range(1, 200_001))
    assert done.stdout == expected
    assert done.stderr == expected


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code(run, code):
    assert run("sh", "-c", f"exit {code}").returncode == code


def test_arguments_arrive_as_they_are(run):
    words = ["", " ", "a b", "$HOME", "'\"", "\\", "*", "-n", "ä\n", "--"]
    assert run("printf", "%s|", *words).stdout == "".join(f"{word}|" for word in words)


def test_no_such_command_is_127(run):
    done = run("no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_what_cannot_be_executed_is_126(run):
    assert run("/etc/passwd").returncode == 126
    assert run("/etc").returncode == 126


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_death_by_a_signal_is_told_as_a_shell_does(run, number):
    assert run("sh", "-c", f"kill -{int(number)} $$").returncode == 128 + number


def test_a_machine_that_ends_before_its_command_is_125(run):
    done = run("perl", "-e", "syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)")  # reboot(2): power off
    assert done.returncode == 125
    assert done.stderr.startswith("gaol: ")


def test_no_command_is_wrong_usage(gateway, alice):
    for words in ([], ["--"], ["uname"]):
        done = gateway.gaol("run", *words, user=alice)
        assert done.returncode == 2, words
        assert "try: " in done.stderr


# what the command finds


def test_root_inside_and_its_own_kernel(run):
    done = run("sh", "-c", "id -u; uname -r; cat /proc/1/comm")
    uid, release, _ = done.stdout.split()
    assert uid == "0"
    assert release != os.uname().release


def test_works_in_the_directory_where_the_caller_stands(run, alice):
    project = alice.home / "project"
    project.mkdir()
    os.chown(project, alice.uid, alice.gid)
    try:
        done = run("sh", "-c", "pwd; echo made > file", cwd=project)
        assert (done.stdout, done.stderr) == (f"{project}\n", "")
        made = project / "file"
        assert made.read_text() == "made\n"
        assert (made.stat().st_uid, made.stat().st_gid) == (alice.uid, alice.gid)
    finally:
        subprocess.run(["rm", "-r", project], check=True)


def test_elsewhere_on_the_host_it_starts_in_a_directory_that_is_there(run):
    done = run("pwd", cwd="/var/tmp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("/root", "/")


def test_no_network_has_no_interface_but_lo(run):
    assert run("sh", "-c", "cd /sys/class/net; echo */").stdout.split() == ["lo/"]


def test_with_network_the_address_is_there_when_the_command_starts(gateway, alice):
    done = gateway.gaol("run", "--", "hostname", "-I", user=alice)
    assert any(address.startswith(gateway.subnet.rpartition(".")[0]) for address in done.stdout.split()), done


def test_memory_is_as_large_as_asked_for(run):
    done = run("sh", "-c", "grep MemTotal /proc/meminfo", options=["--memory", "100M"])
    assert 60_000 < int(done.stdout.split()[1]) < 102_400


def test_no_home_shows_no_home(run, alice):
    (alice.home / "here").touch()
    try:
        assert run("ls", str(alice.home)).stdout.split() == ["here"]
        assert "here" not in run("ls", str(alice.home), options=["--no-home"]).stdout
    finally:
        (alice.home / "here").unlink()


def test_as_root_of_the_host(gateway):
    done = gateway.gaol("run", "--no-network", "--", "id", "-u")
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


# interruption


def test_control_c_on_a_terminal_ends_it(gateway, alice):
    with Terminal([gateway.program, "run", "--no-network", "--", "sh", "-c", "echo up; exec tail -f /dev/null"],
                  **gateway.options(alice)) as terminal:  # fmt: skip
        terminal.expect("up")
        terminal.type("\x03")
        assert terminal.wait() == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_reach_the_command(gateway, alice, number, code):
    process = gateway.popen("run", "--no-network", "--", "sh", "-c", "echo up; exec tail -f /dev/null", user=alice,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == code


def test_a_signal_that_the_command_handles_does_not_end_it(gateway, alice):
    script = "trap 'echo caught; exit 3' TERM; echo up; tail -f /dev/null & wait"
    process = gateway.popen("run", "--no-network", "--", "sh", "-c", script, user=alice,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.stdout.readline() == b"caught\n"
        assert process.wait(PATIENCE) == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_command_that_ignores_sigterm_does_not_keep_us(gateway, alice, times):
    """The first time it has ten seconds; the second time we don't wait."""
    script = "trap '' TERM HUP; echo up; while :; do sleep 1; done"
    process = gateway.popen("run", "--no-network", "--", "sh", "-c", script, user=alice,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout.readline() == b"up\n"
        for _ in range(times):
            process.terminate()
            until(lambda: b"\nSigPnd:\t0000000000000000" in Path(f"/proc/{process.pid}/status").read_bytes(), "it was heard")
        assert process.wait(PATIENCE) == 143


def test_a_fork_bomb_ends_with_gaol_exec(gateway, alice):
    """As a closed terminal ends it: the client, and with it what it has begun. The machine is as it was.

    SIGTERM would leave some of it on any Linux: bash blocks that signal while it forks.
    """
    with running(gateway, alice, "bombed", "--no-network", "--memory", "192M") as machine:
        process = gateway.popen("exec", "bombed", "--", "bash", "-c", "echo up; bomb() { bomb | bomb; }; bomb", user=alice,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        with process:
            assert process.stdout.readline() == b"up\n"
            until(lambda: gateway.json("top", user=alice)[0]["tasks"] > 60, "it has grown")
            process.send_signal(signal.SIGHUP)
            assert process.wait(PATIENCE) == 129
        until(lambda: machine.exec("pgrep", "-f", "bomb.*bomb").returncode == 1, "nothing of it is left")


def test_a_killed_cli_takes_its_machine_along(gateway, alice):
    process = gateway.popen("run", "--", "sh", "-c", "echo up; exec tail -f /dev/null", user=alice,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout.readline() == b"up\n"
        assert gateway.json("ls", "--all")
        process.kill()
    until(lambda: not gateway.json("ls", "--all"), "the machine has gone")


def test_a_cli_killed_while_the_machine_starts_leaves_nothing(gateway, alice):
    process = gateway.popen("run", "--", "true", user=alice, stdin=subprocess.DEVNULL)
    with process:
        until(lambda: gateway.json("ls", "--all"), "the machine is there")
        process.kill()
    until(lambda: not gateway.json("ls", "--all"), "the machine has gone")


# terminals and odd streams


def test_a_terminal_here_is_a_terminal_there_of_the_same_size(gateway, alice):
    script = "trap 'stty size' WINCH; test -t 0 && test -t 1 && echo $TERM; stty size; tail -f /dev/null & while :; do wait; done"
    options = gateway.options(alice)
    options["env"]["TERM"] = "xterm-256color"
    with Terminal([gateway.program, "run", "--no-network", "--", "sh", "-c", script], 33, 101, **options) as terminal:
        terminal.expect("xterm-256color")
        terminal.expect("33 101")
        terminal.resize(44, 132)
        terminal.expect("44 132")
        terminal.type("\x03")
        assert terminal.wait() == 130


def test_the_terminal_is_given_back_as_it_was(gateway, alice):
    inner = f"{gateway.program} run --no-network -- true; stty -a | tr ';' '\\n' | grep -o -- '-*icanon\\|-*echo\\b'"
    with Terminal(["sh", "-c", inner], **gateway.options(alice)) as terminal:
        assert terminal.wait() == 0
        assert terminal.shown.split() == ["icanon", "echo"]


def test_no_stdin_at_all(gateway, alice):
    done = subprocess.run(
        ["sh", "-c", f"exec {gateway.program} run --no-network -- cat <&-"],
        capture_output=True, text=True, timeout=PATIENCE, check=False, **gateway.options(alice),
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_no_stdout_at_all(gateway, alice):
    done = subprocess.run(
        ["sh", "-c", f"exec {gateway.program} run --no-network -- sh -c 'echo lost; exit 5' >&-"],
        capture_output=True, text=True, timeout=PATIENCE, check=False, **gateway.options(alice),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (5, "")


def test_a_reader_that_goes_ends_the_command_as_in_a_pipeline(gateway, alice):
    process = gateway.popen("run", "--no-network", "--", "yes", user=alice, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


def test_a_command_that_reads_nothing_does_not_hang_its_writer(run):
    assert run("true", input=b"x" * 10_000_000, text=False).returncode == 0


# many, and over and over


def test_ten_at_once(gateway, alice):
    def one(number):
        return gateway.gaol("run", "--", "sh", "-c", "hostname -I; cat", user=alice, input=f"{number}\n")

    with ThreadPoolExecutor(10) as pool:
        all_done = list(pool.map(one, range(10)))
    assert [done.returncode for done in all_done] == [0] * 10, [done.stderr for done in all_done]
    assert [done.stdout.splitlines()[1] for done in all_done] == [str(number) for number in range(10)]
    addresses = {done.stdout.split()[0] for done in all_done}
    assert len(addresses) == 10


def test_the_daemon_keeps_no_descriptor_of_what_has_ended(gateway, alice):
    def kinds():
        """How many descriptors of which kind: files by path, sockets and the like by what they are."""
        found = Counter()
        for path in Path(f"/proc/{gateway.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed just now
                found[os.readlink(path).partition(":")[0]] += 1
        return found

    gateway.gaol("run", "--", "true", user=alice, check=True)  # some things are opened once, and kept
    before = kinds()
    for _ in range(5):
        gateway.gaol("run", "--", "true", user=alice, check=True)
    until(lambda: not kinds() - before, f"the daemon has no more descriptors than before: {before}, {kinds()}")


def test_what_starts_read_is_in_memory_before_the_next_one(run, gateway):
    """Each clone has pages of its own: the first to read them would wait for the disk."""
    assert run("true").returncode == 0

    def resident() -> int:
        libraries = (gateway.store / ".gaoler/spares").glob("*/usr/lib/x86_64-linux-gnu/libc.so.6")
        return max((pages_in_memory(library) for library in libraries), default=0)

    until(lambda: resident() > 256, "the C library of the next clone is in memory")


def pages_in_memory(path: Path) -> int:
    """By mincore(2): nothing is read by looking."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        told = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        start = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(mapped)), told)
        del start  # or the map can't be closed
    assert not failed
    return sum(page & 1 for page in told)
