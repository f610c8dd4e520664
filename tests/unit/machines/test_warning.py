"""Who is told, and how, that a machine's time is nearly over."""

import socket
import threading
from types import SimpleNamespace

import pytest

from gaoler.errors import Failed
from gaoler.host.agent import SessionSockets
from gaoler.machines import warning


@pytest.fixture
def machine():
    owner = SimpleNamespace(name="alice", uid=1000)
    return SimpleNamespace(record=SimpleNamespace(id="m1", name="web", label="alice/web", owner=owner))


def test_a_quarter_of_its_time_before_the_end_and_of_an_hour_at_most():
    assert (warning.lead(20), warning.lead(8 * 3600)) == (5, 900)


@pytest.mark.parametrize("deaf", [False, True])
def test_the_owner_gets_a_mail_whether_or_not_somebody_hears_it_inside(machine, tmp_path, monkeypatch, deaf):
    said = []

    def say(place, text):
        if deaf:
            raise Failed("nobody listens", "", "")
        said.append((place, text))

    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    sendmail.chmod(0o755)
    monkeypatch.setattr(warning, "_say", say)
    monkeypatch.setattr(warning, "SENDMAIL", sendmail)
    warning.warn(SimpleNamespace(runtime=lambda record: SimpleNamespace(agent="socket")), machine, 900)
    text = "web is stopped in 15m: its time is over then. Its files stay. On the host: gaol extend web 2h"
    assert said == ([] if deaf else [("socket", text)])
    assert (tmp_path / "words").read_text() == "-i -- alice\n"
    mail = (tmp_path / "mail").read_text()
    assert mail.startswith("To: alice\nSubject: gaol: web is stopped in 15m\n")
    assert mail.endswith(f"\n\n{text}\n")


def test_a_host_without_mail_sends_none(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(warning, "_say", lambda place, text: None)
    monkeypatch.setattr(warning, "SENDMAIL", tmp_path / "none")
    warning.warn(SimpleNamespace(runtime=lambda record: SimpleNamespace(agent="socket")), machine, 900)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_says_a_little_again_and_again_is_not_waited_for(monkeypatch, tmp_path):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(warning.agent, "open_session", lambda place, request: SessionSockets(ours, ()))
    monkeypatch.setattr(warning, "_PATIENCE", 0.2)
    telling = threading.Thread(target=warning._say, args=(tmp_path, "it is over"))
    with theirs:
        telling.start()
        for _ in range(1000):  # 20 s
            telling.join(0.02)
            if not telling.is_alive():
                break
            try:
                theirs.send(b".")
            except BrokenPipeError:
                break
        else:
            theirs.close()
            pytest.fail("it listens for as long as the machine talks")
    telling.join()
    assert ours.fileno() == -1
