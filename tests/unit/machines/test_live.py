"""Milestones come from inside: they say what they may say, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.host.process import Process
from gaoler.machines import live
from gaoler.machines.live import Live
from gaoler.machines.observed import Observed

START = Live(Process(10, 20), 1.0, "7.2-abc")


def told(now, text, own=lambda address: True):
    return live.told(now, text, own)


def after(*texts):
    now = START
    for text in texts:
        now = told(now, text)
    return now


def test_the_way_to_ready():
    now = after("gaol agent", "gaol address 10.1.2.3", "gaol sshd", "gaol ready")
    assert (now.agent, now.address, now.sshd, now.ready, now.missing) == (True, "10.1.2.3", True, True, ())


def test_missing_and_later_there():
    now = after("gaol missing address,sshd")
    assert now.missing == ("address", "sshd")
    assert Observed(now).state == "running"
    assert Observed(told(now, "gaol ready")).state == "ready"


def test_an_address_of_another_is_not_believed():
    """`gaol ssh` would go there."""
    own = {"10.1.2.3", "fd00::3"}.__contains__
    now = told(told(START, "gaol address 10.1.2.4", own), "gaol address6 fd00::4", own)
    assert now == START
    now = told(told(START, "gaol address 10.1.2.3", own), "gaol address6 fd00::3", own)
    assert (now.address, now.address6) == ("10.1.2.3", "fd00::3")


@pytest.mark.parametrize(
    "text",
    [
        "gaol killed", "gaol killed a b", "gaol killed \x1b[2J", "gaol killed caf\u00e9",
        "gaol address ../../etc/passwd", "gaol address 10.1.2.3\n", "gaol address ::1", "gaol address 127.0.0.1", "gaol address 224.0.0.1",
        "gaol address6 10.1.2.3", "gaol missing \x1b[2J", "gaol", "", "gaol ready now", "ready", "gaol address 10.1.2.3 x", "gaol missing",
    ],
)  # fmt: skip
def test_nonsense_changes_nothing(text):
    assert after(text) == START


@given(st.text(max_size=100))
def test_any_text_is_survived(text):
    now = told(START, f"gaol {text}")
    assert set(now.missing) <= set(live.MISSING)


def test_it_survives_a_restart():
    now = after("gaol address 10.1.2.3", "gaol missing sshd")
    assert live.decode(live.encode(now)) == now


FIRST = b"""{"process": {"pid": 10, "start_time": 20}, "started": 1.0, "kernel": "7.2-abc", "agent": true, "sshd": true, "ready": false,
 "stopping": false, "missing": ["sshd"], "address": "10.1.2.3", "address6": null}"""
"""As the first version wrote it: whatever later ones add needs a default, or running machines are lost in an upgrade."""


def test_it_survives_an_upgrade_and_a_downgrade():
    now = live.decode(FIRST)
    assert (now.process, now.agent, now.missing, now.address) == (Process(10, 20), True, ("sshd",), "10.1.2.3")
    assert live.decode(FIRST.replace(b'"started"', b'"colour": "blue", "started"')) == now


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"process": 3}', b"\xff"])
def test_a_broken_state_is_told(data):
    with pytest.raises(ValueError):
        live.decode(data)


@pytest.mark.parametrize(
    ("observed", "busy", "reason", "expected"),
    [
        (None, None, None, "stopped"),
        (None, None, "it died", "failed"),
        (None, "starting", "it died", "starting"),
        (START, None, None, "starting"),
        (told(START, "gaol ready"), None, None, "ready"),
        (told(START, "gaol ready"), "stopping", None, "stopping"),
        (told(START, "gaol stopping"), None, None, "stopping"),
    ],
)
def test_states(observed, busy, reason, expected):
    assert Observed(observed, busy, reason).state == expected


def test_what_was_killed_for_want_of_memory():
    assert after("gaol killed python3").killed == "python3"
    assert len(after("gaol killed " + "x" * 100).killed) == 32
