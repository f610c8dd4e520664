"""What is noted of a login's process when it has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from gaoler.web.noting import Noting


def noted(place):
    return [json.loads(line) for day in place.iterdir() for line in day.read_text().splitlines()] if place.exists() else []


def test_what_is_noted_is_the_kernels_word(tmp_path):
    """Of a process that became somebody it is a log-out of theirs; of one that never did, nothing, since its refusal is noted."""
    place = tmp_path / "audit"
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    Noting(place, 60).ended(process.pid, "somebody else", "192.0.2.7")
    assert process.wait() == 0, "it is left to be waited for"
    if os.getuid() == 0:
        assert noted(place) == []
    else:
        (entry,) = noted(place)
        assert (entry["uid"], entry["did"], entry["from"]) == (os.getuid(), "PageLogout", "192.0.2.7")
        assert "somebody else" not in str(entry)


def test_names_that_are_tried_are_bounded_and_one_line(tmp_path):
    place = tmp_path / "audit"
    Noting(place, 60).refused('a"\n{"who": "root"}', "192.0.2.7\n", "x" * 5000)
    (entry,) = noted(place)
    assert (entry["who"], entry["tried"], entry["code"]) == (None, 'a"\n{"who": "root"}', 4)
    assert len(entry["error"]) == 400
    assert next(place.iterdir()).stat().st_mode & 0o777 == 0o600


def test_one_that_takes_too_long_is_a_login_that_failed(tmp_path):
    place = tmp_path / "audit"
    process = subprocess.Popen(["sleep", "60"])
    process.send_signal(signal.SIGALRM)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    Noting(place, 60).ended(process.pid, "ann", "192.0.2.7")
    process.wait()
    (entry,) = noted(place)
    assert entry["did"] == ("PageLogout" if os.getuid() else "PageLogin")
    assert os.getuid() or entry["error"] == "it took too long"
