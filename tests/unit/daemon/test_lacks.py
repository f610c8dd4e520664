"""What the host can't give, thread, descriptor or memory, costs whoever came then, and never the daemon."""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from gaoler import background
from gaoler.configuration.model import Configuration
from gaoler.daemon import server
from gaoler.daemon.audit import Audit
from gaoler.daemon.handling import Handler
from gaoler.daemon.journal import Journal
from gaoler.daemon.server import Server
from gaoler.machines.cables import Cables
from gaoler.machines.monitor import Monitor
from gaoler.machines.tally import Tally
from gaoler.places import PACKAGING
from gaoler.wire import methods
from gaoler.wire.framing import Closed, Connection

LACKS = [RuntimeError("can't start new thread"), MemoryError()]


@pytest.fixture
def served(tmp_path):
    parts = SimpleNamespace(accounts=SimpleNamespace(known=lambda account: account), configuration=Configuration())
    made = Server(tmp_path / "sock", parts, Tally(), Journal(Audit(lambda: tmp_path / "audit", lambda: 86400)))
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    made.close()
    thread.join(20)
    assert not thread.is_alive()


def asked(path: Path, method: str = "org.varlink.service.GetInfo") -> dict:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        connection = Connection(sock)
        try:
            with suppress(Closed):  # it may have been turned away by now, and been told why
                connection.send({"method": method})
            return connection.receive()
        except Closed:
            return {}


def failing_once(monkeypatch, owner, name, trouble):
    """Whatever it is called on, it fails the first time."""
    real, failed = getattr(owner, name), []

    def once(*arguments, **more):
        if not failed:
            failed.append(True)
            raise trouble
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, once)
    return failed


@pytest.mark.parametrize("lack", LACKS, ids=["thread", "memory"])
def test_no_thread_for_a_connection_turns_it_away_and_the_next_is_served(served, monkeypatch, lack):
    with monkeypatch.context() as patch:
        failed = failing_once(patch, threading.Thread, "start", lack)
        refused = asked(served.path)
        assert failed
    assert refused["parameters"]["what"] == "the host refuses"
    assert asked(served.path)["parameters"]["product"] == "gaoler"


@pytest.mark.parametrize(
    "lack", [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENOBUFS, "No buffer space"), MemoryError()]
)
def test_nothing_to_ask_who_it_is_with_turns_one_away(served, monkeypatch, lack):
    with monkeypatch.context() as patch:
        failed = failing_once(patch, server, "peer", lack)
        assert asked(served.path) == {}
        assert failed
    assert asked(served.path)["parameters"]["product"] == "gaoler"


@pytest.mark.parametrize("lack", LACKS, ids=["thread", "memory"])
def test_a_method_that_lacks_something_says_so(served, monkeypatch, lack):
    def lacking(*_):
        raise lack

    monkeypatch.setitem(server.HANDLERS, "List", Handler(methods.LIST, lacking))
    refused = asked(served.path, "org.gaoler.List")["parameters"]
    assert (refused["what"], refused["code"]) == ("the host refuses", 1)
    assert asked(served.path)["parameters"]["product"] == "gaoler"


def test_connections_that_were_turned_away_are_not_counted(served, monkeypatch):
    with monkeypatch.context() as patch:
        failing_once(patch, threading.Thread, "start", LACKS[0])
        asked(served.path)
    assert served._door._inside.total() <= 1


@pytest.mark.parametrize("lack", LACKS, ids=["thread", "memory"])
def test_what_must_be_done_is_done_by_another_thread(monkeypatch, lack):
    background.reserve()
    done = threading.Event()
    with monkeypatch.context() as patch:
        failing_once(patch, threading.Thread, "start", lack)
        background.begin(lambda: 1 / 0, "a mistake")
    with monkeypatch.context() as patch:
        failing_once(patch, threading.Thread, "start", lack)
        background.begin(done.set, "clear-up")
    assert done.wait(20)


@pytest.mark.parametrize("lack", LACKS, ids=["thread", "memory"])
def test_a_cable_is_closed_all_the_same(monkeypatch, lack):
    cables, (reader, writer) = Cables(), os.pipe()
    cables.hold("tap", writer)
    os.close(writer)
    failing_once(monkeypatch, threading.Thread, "start", lack)
    cables.let_go("tap")
    cables.wait_gone("tap")
    assert os.read(reader, 1) == b"", "nobody holds the other end"
    os.close(reader)


def test_the_watch_over_machines_goes_on(monkeypatch):
    called = threading.Event()
    monitor = Monitor()
    failed = failing_once(monkeypatch, monitor, "_patience", MemoryError())
    monitor.start()
    monitor.after(0, called.set)
    assert called.wait(20)
    assert failed


def test_systemd_never_gives_the_daemon_up():
    unit = (PACKAGING / "gaoler.service").read_text().splitlines()
    assert "StartLimitIntervalSec=0" in unit
    assert "Restart=on-failure" in unit
