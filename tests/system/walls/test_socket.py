"""Hostile users at the socket: what they send, how slowly, how often, and about whose machines."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaoler.daemon.shares import BURST, RATE
from system.support import users
from system.support.machine import running
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]

NAMES = [
    "..",
    ".",
    "/",
    "../web",
    "/etc/passwd",
    "a/b",
    "a\0b",
    "a\nb",
    "-rf",
    "--all",
    "",
    " ",
    "x" * 300,
    "x" * 301,
    "\x1b[31m",
    "\u202e",
    "\ud800",
    "é",
    "WEB",
    "web\0",
    "%s%n",
    "$(id)",
    "`id`",
    '"',
    "\\",
    "0" * 5000,
]
BY_NAME = {
    "Up": {"name": ...},
    "Exec": {"name": ..., "command": {"arguments": ["true"]}},
    "Inspect": {"name": ...},
    "Log": {"name": ...},
    "Down": {"name": ...},
    "Remove": {"name": ...},
    "Wait": {"name": ..., "until": "stopped"},
    "Ssh": {"name": ...},
    "SshConnect": {"name": ..., "keys": [f"ssh-ed25519 {'A' * 68}"]},
    "Snapshot": {"name": ...},
    "Restore": {"name": ..., "tag": "x"},
    "Clone": {"name": ..., "new": "x"},
    "Publish": {"name": ..., "base": "x"},
    "BaseInspect": {"name": ...},
    "BaseRemove": {"name": ...},
    "KernelRemove": {"name": ...},
}
"""Methods that take the name of something."""
OWNED = [name for name in BY_NAME if name not in ("Up", "Publish", "BaseInspect", "BaseRemove", "KernelRemove")]


@contextmanager
def connected(gateway, user):
    """A connection whose other end is that user's: SO_PEERCRED is of the moment of connecting."""
    sock = socket.socket(socket.AF_UNIX)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        sock.connect(str(gateway.socket))
    finally:
        os.seteuid(0)
        os.setegid(0)
    sock.settimeout(20)  # not before: then connecting fails at once where the queue is full
    with sock:
        yield sock


def ask(sock, data: bytes) -> dict:
    with suppress(BrokenPipeError, ConnectionResetError):  # refused at the door: what was told there is to be read
        sock.sendall(data + b"\0")
    return answer(sock)


def answer(sock) -> dict:
    """The next message; an empty one where the other side has closed."""
    received = b""
    while not received.endswith(b"\0"):
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return {}
        if not piece:
            return {}
        received += piece
    return json.loads(received[:-1])


def call(gateway, user, method: str, **parameters) -> dict:
    with connected(gateway, user) as sock:
        return ask(sock, json.dumps({"method": f"org.gaoler.{method}", "parameters": parameters}).encode())


def named(method: str, name: str) -> dict:
    return {key: name if value is ... else value for key, value in BY_NAME[method].items()}


def refused(reply: dict) -> bool:
    """An error of ours, which is no mistake of the daemon's."""
    return reply.get("error") == "org.gaoler.Error" and "made a mistake" not in reply["parameters"]["what"]


def fine(gateway, user) -> bool:
    return "machines" in call(gateway, user, "List").get("parameters", {})


@pytest.mark.parametrize("method", BY_NAME)
def test_names_that_are_none(gateway, alice, method):
    for name in NAMES:
        if method == "Up" and name == "":
            continue
        assert refused(call(gateway, alice, method, **named(method, name))), repr(name)


@pytest.mark.parametrize("key", ["base", "kernel"])
def test_names_in_a_wish(gateway, alice, key):
    for name in NAMES:
        if name:
            assert refused(call(gateway, alice, "Up", name="wish", spec={key: name})), repr(name)
    assert call(gateway, alice, "List")["parameters"]["machines"] == []


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 5_000_000])
def test_words_that_no_command_can_have(gateway, alice, quiet, text):
    for command in ({"arguments": ["echo", text]}, {"arguments": ["true"], "environment": {"A": text}}, {"user": text}):
        with suppress(BrokenPipeError, ConnectionResetError):  # too long: the daemon has heard enough
            assert refused(call(gateway, alice, "Exec", name="quiet", command=command)), command
    assert fine(gateway, alice)


@pytest.mark.parametrize("method", OWNED)
def test_anothers_machine_and_none_are_answered_alike(gateway, alice, bob, quiet, method):
    """Word for word, but for the name that was asked for; with the owner said, too."""
    for owner in (None, alice.name, "no-such-user"):
        asked = {"owner": owner} if owner else {}
        there = call(gateway, bob, method, **named(method, "quiet"), **asked)
        absent = call(gateway, bob, method, **named(method, "tteiu"), **asked)
        assert refused(there)
        assert json.dumps(there).replace("quiet", "tteiu") == json.dumps(absent)
        if owner:
            named_so = call(gateway, bob, method, **named(method, f"{owner}/quiet"))
            assert named_so == there, "OWNER/NAME is the same as both"
    assert quiet.state == "ready"


def test_anothers_machines_are_not_listed(gateway, bob, quiet):
    assert call(gateway, bob, "List")["parameters"]["machines"] == []
    assert refused(call(gateway, bob, "List", all=True))
    assert refused(call(gateway, bob, "Top", all=True))


BAD = {
    "no JSON": b"hello",
    "bad UTF-8": b'{"method":"\xff\xfe"}',
    "a key twice": b'{"method":"org.gaoler.List","method":"org.gaoler.Doctor"}',
    "deep": b'{"method":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "a list": b"[]",
    "NaN": b'{"method":"org.gaoler.List","parameters":{"all":NaN}}',
    "a large number": b'{"method":"org.gaoler.Up","parameters":{"spec":{"memory":' + b"9" * 100_000 + b"}}}",
    "an exponent": b'{"method":"org.gaoler.Up","parameters":{"name":"x","spec":{"cpus":1e999}}}',
    "a negative number": b'{"method":"org.gaoler.Up","parameters":{"name":"x","spec":{"memory":-1}}}',
    "no processor": b'{"method":"org.gaoler.Up","parameters":{"name":"x","spec":{"cpus":0}}}',
    "no method": b"{}",
    "a method that is none": b'{"method":{"a":[]}}',
    "a method of nobody": b'{"method":"org.gaoler.__init__"}',
    "parameters that are none": b'{"method":"org.gaoler.List","parameters":"x"}',
    "wrong types": b'{"method":"org.gaoler.Up","parameters":{"name":["x"]}}',
    "unknown keys": b'{"method":"org.gaoler.Up","parameters":{"name":"x","uid":0}}',
}


@pytest.mark.parametrize("what", BAD)
def test_messages_that_are_none(gateway, alice, what):
    with connected(gateway, alice) as sock:
        reply = ask(sock, BAD[what])
    assert reply == {} or "error" in reply
    assert "made a mistake" not in json.dumps(reply)
    assert fine(gateway, alice)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from(["Inspect", "Log", "Wait", "List", "Top", "Exec", "Restore", "Clone", "Snapshot", "Down", "Remove"])
KEYS = st.sampled_from(["name", "owner", "tag", "new", "until", "command", "timeout", "force", "all", "spec"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, parameters=st.dictionaries(KEYS, JSON, max_size=5))
def test_whatever_is_asked_the_daemon_makes_no_mistake(gateway, alice, method, parameters):
    reply = call(gateway, alice, method, **parameters)
    assert "made a mistake" not in json.dumps(reply)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000))
def test_whatever_is_sent_the_daemon_serves_on(gateway, alice, data):
    with connected(gateway, alice) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def test_a_message_without_an_end_is_cut_off(gateway, alice):
    memory = resident(gateway)
    with connected(gateway, alice) as sock:
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 1 << 30:
                sent += sock.send(b"[1," * 20000)
        assert sent < 8 << 20, "a message has 4 MiB at most, and the sockets hold some more"
    assert resident(gateway) - memory < 32 << 20
    assert fine(gateway, alice)


def used(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(gateway) -> int:
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_descriptors_that_are_sent_along_are_closed(gateway, alice):
    before = len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
    with Path("/dev/null").open("rb") as null, ExitStack() as undo:
        for count in (1, 8, 9, 250):
            sock = undo.enter_context(connected(gateway, alice))
            rights = struct.pack(f"{count}i", *[null.fileno()] * count)
            for _ in range(20):
                with suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendmsg([b'{"method":"org.gaoler.List"}\0'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        until(lambda: len(os.listdir(f"/proc/{gateway.process.pid}/fd")) <= before + 4, "none but the connections' own")
    assert fine(gateway, alice)


def test_slow_senders_and_many_connections_keep_nobody_else_out(gateway, alice, bob):
    """A user fills his own share, with connections that say nothing, or one byte at a time."""
    with ExitStack() as undo:
        crowd = [undo.enter_context(connected(gateway, alice)) for _ in range(300)]
        for sock in crowd:
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.send(b"{")
        begun = time.monotonic()
        assert fine(gateway, bob)
        assert time.monotonic() - begun < 5
        assert gateway.gaol("ls", "--all").returncode == 0
        until(lambda: threads(gateway) < 64 + 40, "no more threads than a user may have connections")
    until(lambda: fine(gateway, alice), "her connections are given back")


@pytest.fixture
def crowd(gateway):
    """Silent connections of eight accounts, as many as each gets."""
    accounts = [users.existing(name) for name in ("daemon", "bin", "sys", "games", "man", "lp", "mail", "news")]
    with ExitStack() as undo:
        for user in accounts:
            for _ in range(80):
                undo.enter_context(connected(gateway, user))
        yield accounts
    until(lambda: threads(gateway) < 64, "their connections are given back")


def test_eight_accounts_lock_nobody_out(gateway, bob, crowd):
    until(lambda: threads(gateway) > 300, "they are in")
    assert fine(gateway, bob)
    assert gateway.gaol("ls", user=bob).returncode == 0


def test_who_knocks_at_a_full_house_is_told_and_pays_for_it(gateway, alice, bob):
    """Without end, from two threads: the daemon takes no more than a quarter of a processor for it, and others are served."""
    program = "import socket,sys,time\nend = time.monotonic() + 6\nwhile time.monotonic() < end:\n"
    program += "    with socket.socket(socket.AF_UNIX) as sock: sock.connect(sys.argv[1])\n"
    with ExitStack() as undo:
        held = [undo.enter_context(connected(gateway, alice)) for _ in range(64)]
        until(lambda: threads(gateway) > 64, "she holds what she may")
        with connected(gateway, alice) as sock:
            refusal = answer(sock)
        assert refusal["parameters"]["code"] == 5, refusal
        assert "connections" in refusal["parameters"]["what"]
        began, before = time.monotonic(), used(gateway.process.pid)
        words = [sys.executable, "-IS", "-c", program, str(gateway.socket)]
        knocking = [subprocess.Popen(words, user=alice.uid, group=alice.gid, extra_groups=[]) for _ in range(2)]
        served = 0
        while any(one.poll() is None for one in knocking):
            served += fine(gateway, bob)
        passed, taken = time.monotonic() - began, used(gateway.process.pid) - before
        assert served > 5, "others are served meanwhile"
        assert taken < RATE * passed + 0.5, f"it took {taken:.1f} s of a processor in {passed:.1f} s"
        assert held
    until(lambda: gateway.gaol("ls", user=alice).returncode == 0, "she is let in again")


def threads(gateway) -> int:
    return len(os.listdir(f"/proc/{gateway.process.pid}/task"))


def test_several_thousand_connections_one_after_the_other(gateway, alice):
    def one(_: int) -> None:
        with connected_as_root(gateway):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(3000)))
    assert fine(gateway, alice)


@contextmanager
def connected_as_root(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(gateway.socket))
        yield sock


def test_who_asks_without_end_waits_and_nobody_else_does(gateway, bob):
    with users.account(f"{gateway.prefix}greedy") as greedy, running(gateway, greedy, "wordy", "--no-network") as machine:
        assert machine.state == "ready"
        (log,) = (gateway.store / ".gaoler/machines").glob("*/console.log")
        log.with_name("console.log.1").write_bytes(b"\x1b[31mx" * 200_000)  # what takes the longest to make clean
        over = threading.Event()
        asked = b'{"method":"org.gaoler.Log","parameters":{"name":"wordy"}}'

        def ask_on(sock) -> None:
            while not over.is_set():
                ask(sock, asked)

        with ThreadPoolExecutor(8) as pool, ExitStack() as undo:
            undo.callback(over.set)
            began, before = time.monotonic(), used(gateway.process.pid)
            for sock in [undo.enter_context(connected(gateway, greedy)) for _ in range(8)]:
                pool.submit(ask_on, sock)
            until(
                lambda: used(gateway.process.pid) - before > BURST + 2, "much more than his burst is spent", timeout=3 * PATIENCE
            )
            taken = used(gateway.process.pid) - before
            passed = time.monotonic() - began
            assert fine(gateway, bob)
            with connected(gateway, greedy) as sock:
                assert "error" not in ask(sock, asked), "he waits, and is not refused"
        assert taken < BURST + RATE * passed + 0.5, f"he took {taken:.1f} s of a processor in {passed:.1f} s"


def test_a_flood_of_creates_ends_at_the_limit(gateway, alice):
    def create(number: int) -> int:
        return gateway.gaol("up", f"flood{number}", "--no-network", user=alice, timeout=120).returncode

    gateway.restart(limits={"machines": 3, "memory": "2G"})
    try:
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(create, range(8)))
        assert sorted(codes) == [0, 0, 0, 5, 5, 5, 5, 5]
        assert len(gateway.json("ls", user=alice)) == 3
    finally:
        gateway.remove_machines()
        gateway.restart()


def test_all_at_once_on_one_machine(gateway, alice):
    """Started twice, stopped and removed meanwhile: whatever comes first, one machine or none is the outcome."""
    with running(gateway, alice, "race", "--no-network") as machine:
        verbs = [("up", "race", "--no-network"), ("down", "race"), ("up", "race", "--no-network"), ("rm", "race", "--force"),
                 ("snapshot", "race"), ("up", "race", "--no-network")]  # fmt: skip
        for _ in range(2):
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda words: gateway.gaol(*words, user=alice, timeout=120), verbs))
            there = gateway.json("ls", user=alice)
            assert len(there) <= 1
            assert not there or there[0]["state"] in ("ready", "stopped", "failed")
        machine.up("--no-network")


def test_a_home_that_is_swapped_for_a_link_meanwhile_leads_nowhere_else(gateway):
    """His home lies in a directory of his own, where he puts a link to another's in its place, back and forth."""
    around, secret = gateway.directory / "around", gateway.directory / "secret"
    own, real, lure = around / "own", around / "own.real", around / "own.link"
    with users.account(f"{gateway.prefix}swap", home=own) as swapper:
        secret.mkdir(mode=0o700)
        (secret / "whose").write_text("another's")
        (own / "whose").write_text("his")

        def read() -> subprocess.CompletedProcess[str]:
            return gateway.gaol("run", "--no-network", "--", "cat", f"{own}/whose", user=swapper, cwd="/")

        def swap() -> None:
            while not over.is_set():
                lure.symlink_to(secret)
                own.rename(real)
                lure.rename(own)
                lure.symlink_to("/nowhere")
                lure.replace(own)
                own.unlink()
                real.rename(own)

        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            swapping = pool.submit(swap)
            try:
                seen = [read() for _ in range(12)]
            finally:
                over.set()
        swapping.result()
        last = read()
        shutil.rmtree(secret)
    assert {done.stdout for done in seen} <= {"his", ""}, seen
    assert "mistake" not in str(seen)
    assert last.stdout == "his"


def test_whoever_asks_many_times_at_once_for_the_same_machine_gets_it_each_time(gateway, alice):
    """Also while it is being made."""
    for _ in range(8):
        with ExitStack() as stack:
            asking = [stack.enter_context(connected(gateway, alice)) for _ in range(6)]
            for sock in asking:
                sock.sendall(b'{"method":"org.gaoler.Up","parameters":{"name":"same","spec":{"network":false}}}\0')
            answers = [answer(sock) for sock in asking]
        assert not any("error" in one for one in answers), answers
        assert {one["parameters"]["machine"]["state"] for one in answers} == {"ready"}
        assert len({one["parameters"]["machine"]["pid"] for one in answers}) == 1
        gateway.gaol("rm", "--force", "same", user=alice, check=True)


def test_who_leaves_in_the_middle_breaks_nothing(gateway, alice):
    """After each step that the daemon tells him of."""
    for steps in range(4):
        with connected(gateway, alice) as sock:
            sock.sendall(b'{"method":"org.gaoler.Up","more":true,"parameters":{"name":"left","spec":{"network":false}}}\0')
            told = b""
            while told.count(b"\0") < steps and (piece := sock.recv(1)):
                told += piece
    until(lambda: [one["state"] for one in gateway.json("ls", user=alice)] == ["ready"], "it has come up all the same")
    gateway.gaol("rm", "--force", "left", user=alice, check=True)
