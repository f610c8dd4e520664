"""The audit: who did what to whose machine, an entry a line, kept as long as is said."""

from __future__ import annotations

import json
import logging
import os
import time

import pytest

from gaoler import days
from gaoler.daemon.audit import Audit
from gaoler.daemon.journal import Journal
from gaoler.errors import LimitReached, NotAllowed
from gaoler.machines import events
from gaoler.machines.asking import Asker, asked_by
from gaoler.wire import requests
from gaoler.wire.messages import Command
from unit.machines.test_record import WEB

ALICE = Asker("alice", 1000, 7)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "audit"


@pytest.fixture
def audit(place):
    made = Audit(lambda: place, lambda: 90 * 86400)
    logger = logging.getLogger("gaoler.events")
    logger.addHandler(made)
    yield made
    logger.removeHandler(made)
    made.leave()


def entries(place):
    return [json.loads(line) for path in sorted(place.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_a_request_is_noted_with_what_came_of_it(audit, place):
    journal = Journal(audit)
    journal.answered(ALICE, "Down", "bob/web", requests.Down(name="bob/web", force=True), None, 0.5)
    journal.answered(ALICE, "Down", "bob/web", requests.Down(name="bob/web"), NotAllowed("no", "for a reason"), 0.1)
    first, second = entries(place)
    assert first.pop("time").startswith("20")
    assert first == {
        "who": "alice", "uid": 1000, "pid": 7, "did": "Down", "machine": "bob/web", "with": {"force": True}, "seconds": 0.5, "code": 0,
    }  # fmt: skip
    assert (second["code"], second["error"]) == (4, "no: for a reason")
    assert place.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in place.iterdir())


def test_looks_are_not_noted_and_commands_are_peoples_own(audit, place):
    journal = Journal(audit)
    journal.answered(ALICE, "List", "", requests.List(), None, 0.0)
    command = Command(arguments=["mysql", "--password=secret"], user="alice", environment={"TOKEN": "secret"})
    journal.answered(ALICE, "Exec", "alice/web", requests.Exec(name="web", command=command), None, 0.0)
    (one,) = entries(place)
    assert one["with"] == {"user": "alice", "login": False}
    assert "secret" not in str(entries(place))


def test_what_happens_by_itself_is_nobodys_and_what_was_asked_for_is_not_noted_twice(audit, place, caplog):
    caplog.set_level(logging.INFO)
    events.tell(WEB, "crashed", "its kernel panicked", level=logging.WARNING)
    with asked_by(ALICE):
        events.tell(WEB, "stopped", "after 2m")
    (one,) = entries(place)
    assert (one["who"], one["did"], one["machine"], one["how"]) == (None, "crashed", WEB.label, "its kernel panicked")
    assert caplog.messages == [f"{WEB.label}: crashed, its kernel panicked", f"{WEB.label}: stopped, after 2m, asked by alice"]


def test_limits_refusals_and_logins_are_lines_of_the_log(audit, caplog):
    caplog.set_level(logging.INFO)
    journal = Journal(audit)
    login = requests.Exec(name="web", command=Command(login=True, user="root"))
    journal.answered(ALICE, "Up", "alice/web", requests.Up(), LimitReached("too much", "limits.memory is 1G", limit="memory"), 0.0)
    journal.answered(ALICE, "Exec", "alice/web", login, None, 0.0)
    journal.answered(ALICE, "Publish", "alice/web", requests.Publish(name="web", base="course"), None, 1.5)
    journal.answered(ALICE, "Down", "alice/web", requests.Down(name="web"), None, 1.5)
    assert caplog.messages == [
        "alice/web: limit of memory: alice, asked for Up: too much: limits.memory is 1G",
        "alice/web: login as root, asked by alice",
        "alice/web: Publish asked by alice, in 1.50 s",
    ]


def test_what_people_send_is_one_line_whatever_it_is(audit, place, caplog):
    evil = "x\nbob/web: removed, asked by root\x1b[2J\x9b2J\u2028\udcff"
    Journal(audit).answered(ALICE, "Down", evil, requests.Down(name="web"), NotAllowed(evil, evil), 0.0)
    (line,) = caplog.messages
    assert line.isprintable() and "removed" in line
    (file,) = place.iterdir()
    assert file.read_bytes().isascii() and file.read_bytes().count(b"\n") == 1
    assert entries(place)[0]["machine"] == evil


def test_days_go_when_they_are_old_and_the_oldest_when_there_is_too_much(place):
    place.mkdir()
    old = time.time() - 91 * 86400
    for name, moment in (("2026-01-01", old), ("2026-03-01", None), ("2026-03-02", None)):
        (place / f"{name}.jsonl").write_text("x" * 1000)
        if moment:
            os.utime(place / f"{name}.jsonl", (moment, moment))
    (place / "mine").touch()
    audit = Audit(lambda: place, lambda: 90 * 86400, most=1500)
    audit.note(who="alice")
    audit.leave()
    assert min(path.name for path in place.iterdir()) == "2026-03-02.jsonl"
    assert len(list(place.iterdir())) == 3


def test_what_can_not_be_written_is_told_once_and_hinders_nothing(place, caplog):
    place.write_text("not a directory")
    audit = Audit(lambda: place, lambda: 0)
    for _ in range(3):
        audit.note(who="alice")
    assert len(caplog.messages) == 1
    assert "the audit can't be written" in caplog.messages[0]


def test_days_that_can_not_be_looked_through_hinder_nothing(place, monkeypatch, caplog):
    def refuse():
        raise OSError("the disk is broken")

    place.mkdir()
    (place / "2026-01-01.jsonl").touch()
    monkeypatch.setattr(days, "_LOOK", 10)
    audit = Audit(lambda: place, refuse)
    for who in ("alice", "bob"):
        audit.note(who=who)
    audit.leave()
    assert [one["who"] for one in entries(place)] == ["alice", "bob"]
    assert caplog.messages == ["the audit can't be written: the disk is broken"]
