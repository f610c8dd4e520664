"""A login ends by its times, by hand, or for a newer one; its cookie is nowhere in what is kept."""

from __future__ import annotations

import json
import time

import pytest

from gaoler.web.channel import Channel, Gone
from gaoler.web.sessions import SESSIONS_OF_ONE, Sessions, csrf_of


@pytest.fixture
def clock(monkeypatch):
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def begin(sessions, uid=1000):
    ours, theirs = Channel.pair()
    token, session, ended = sessions.begin("alice", uid, "Alice", ours)
    return token, session, theirs, ended


def test_a_cookie_finds_its_session(clock):
    sessions = Sessions(600, 3600)
    token, session, _, _ = begin(sessions)
    assert sessions.find(token) is session
    assert sessions.find(token[:-1]) is None and sessions.find("") is None


def test_idle_ends_it_and_use_keeps_it(clock):
    sessions = Sessions(600, 3600)
    token, session, _, _ = begin(sessions)
    for _ in range(5):
        clock[0] += 599
        assert sessions.find(token) is session
    clock[0] += 601
    assert sessions.find(token) is None
    assert sessions.over() == [session]


def test_an_open_page_uses_it(clock):
    sessions = Sessions(600, 3600)
    token, session, _, _ = begin(sessions)
    session.sockets.add("a socket")
    clock[0] += 3000
    assert sessions.find(token) is session


def test_its_lifetime_ends_it_in_spite_of_use(clock):
    sessions = Sessions(600, 3600)
    token, session, _, _ = begin(sessions)
    session.sockets.add("a socket")
    clock[0] += 3601
    assert sessions.find(token) is None


def test_its_end_closes_the_channel_that_speaks_for_the_user(clock):
    sessions = Sessions(600, 3600)
    token, session, theirs, _ = begin(sessions)
    sessions.end(session)
    assert sessions.find(token) is None
    with pytest.raises(Gone):
        theirs.receive()


def test_the_oldest_goes_for_a_new_one_of_the_same_user_only(clock):
    sessions = Sessions(600, 3600)
    others, _, _, _ = begin(sessions, uid=1001)
    first, _, _, _ = begin(sessions)
    for _ in range(SESSIONS_OF_ONE - 1):
        clock[0] += 1
        begin(sessions)
    assert sessions.find(first) is not None
    clock[0] += 1
    oldest = min(sessions.of(1000), key=lambda session: session.used)
    _, _, _, ended = begin(sessions)
    assert ended == [oldest] and len(sessions.of(1000)) == SESSIONS_OF_ONE
    assert sessions.find(others) is not None


def test_it_is_taken_over_by_what_is_kept_of_it_and_that_is_not_the_cookie(clock):
    sessions = Sessions(600, 3600)
    token, session, _, _ = begin(sessions)
    kept = json.dumps([session.key, session.note()])
    assert token not in kept and csrf_of(token) not in kept
    after = Sessions(600, 3600)
    key, note = json.loads(kept)
    after.take_over(key, note, session.channel)
    found = after.find(token)
    assert found is not None and (found.user, found.uid, found.begun) == ("alice", 1000, session.begun)
