"""What is counted: once, and without anybody's name."""

from dataclasses import replace

from prometheus_client import generate_latest

from gaoler.errors import Failed, LimitReached
from gaoler.host.process import Process
from gaoler.machines.live import Live
from gaoler.machines.tally import Tally

LIVE = Live(Process(1, 2), 0.0, "7.2")


def value(tally, name, **labels):
    return tally.registry.get_sample_value(name, labels)


def test_a_milestone_counts_when_it_is_reached():
    tally = Tally()
    agent = replace(LIVE, agent=True)
    tally.reached(LIVE, agent, 0.04)
    tally.reached(agent, replace(agent, address="10.0.0.1"), 0.05)
    tally.reached(agent, replace(agent, ready=True), 0.16)
    count = "gaoler_machine_start_seconds_count"
    assert (value(tally, count, until="agent"), value(tally, count, until="ready")) == (1, 1)
    bucket = "gaoler_machine_start_seconds_bucket"
    assert value(tally, bucket, until="agent", le="0.05") == 1
    assert (value(tally, bucket, until="ready", le="0.15"), value(tally, bucket, until="ready", le="0.2")) == (0, 1)


def test_answers_count_by_their_exit_code_and_limits_by_their_key():
    tally = Tally()
    tally.answered("Up")
    tally.answered("Up", Failed("no"))
    tally.answered("Up", LimitReached("too much", "limits.user.alice.memory is 1G", limit="memory"))
    tally.answered("Up", LimitReached("too much"))
    assert [value(tally, "gaoler_requests_total", method="Up", code=code) for code in "015"] == [1, 1, 2]
    assert value(tally, "gaoler_limits_reached_total", limit="memory") == 1
    assert value(tally, "gaoler_limits_reached_total", limit="other") == 1
    assert b"alice" not in generate_latest(tally.registry)


def test_what_has_not_happened_yet_is_told_as_zero():
    assert value(Tally(), "gaoler_machine_ends_total", reason="crashed") == 0
