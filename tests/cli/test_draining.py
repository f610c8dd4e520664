"""drain --wait: what comes after it is a reboot."""

import pytest

DRAIN = {"who": "root", "why": "", "left": 0.0, "stop": True}


def test_it_waits_until_nothing_runs(daemon, gaol):
    daemon.answer("Drain", drain=DRAIN, running=2)
    daemon.answer("DrainInspect", drain=DRAIN, running=0)
    done = gaol("drain", "--in", "0s", "--wait")
    assert (done.returncode, "0 machines running, done" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("running", [2, 0])
def test_a_drain_that_somebody_has_ended_is_not_done(daemon, gaol, running):
    daemon.answer("Drain", drain=DRAIN, running=2)
    daemon.answer("DrainInspect", drain=None, running=running)
    done = gaol("drain", "--in", "0s", "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "gaol: the drain has ended before it was done: somebody has let machines start again", "try: gaol drain --status"
    ]  # fmt: skip


@pytest.mark.parametrize("words", [("--wait", "--end"), ("--wait", "--status"), ("--end", "--status")])
def test_what_makes_no_sense_together(daemon, gaol, words):
    done = gaol("drain", *words)
    assert (done.returncode, "can't be combined with" in done.stderr, daemon.calls) == (2, True, [])
