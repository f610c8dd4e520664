"""Guessing gets slow; who knows their password is let in all the same."""

from gaoler.web.throttle import LIMITS, PAUSE, WINDOW, Throttle


def throttle():
    now = [0.0]
    return Throttle(lambda: now[0]), now


def test_some_mistakes_cost_nothing():
    it, _ = throttle()
    for _ in range(LIMITS["pair"] - 1):
        it.failed("alice", "10.0.0.1")
    assert it.wait("alice", "10.0.0.1") == 0


def test_more_cost_more_and_more():
    it, now = throttle()
    for _ in range(LIMITS["pair"]):
        it.failed("alice", "10.0.0.1")
    assert it.wait("alice", "10.0.0.1") == PAUSE
    now[0] += PAUSE
    assert it.wait("alice", "10.0.0.1") == 0
    it.failed("alice", "10.0.0.1")
    assert it.wait("alice", "10.0.0.1") == 2 * PAUSE


def test_a_stranger_locks_nobody_out_with_a_few():
    it, _ = throttle()
    for _ in range(LIMITS["pair"] + 3):
        it.failed("alice", "10.9.9.9")
    assert it.wait("alice", "10.9.9.9") > 0
    assert it.wait("alice", "10.0.0.1") == 0
    assert it.wait("bob", "10.9.9.9") == 0


def test_one_address_can_not_try_everybody():
    it, _ = throttle()
    for number in range(LIMITS["remote"]):
        it.failed(f"user{number}", "10.9.9.9")
    assert it.wait("somebody", "10.9.9.9") > 0
    assert it.wait("somebody", "10.0.0.1") == 0


def test_many_addresses_can_not_try_one_user_for_ever():
    it, _ = throttle()
    for number in range(LIMITS["user"]):
        it.failed("alice", f"10.0.1.{number}")
    assert it.wait("alice", "10.0.2.1") > 0


def test_it_is_forgotten():
    it, now = throttle()
    for _ in range(50):
        it.failed("alice", "10.0.0.1")
    now[0] += WINDOW
    assert it.wait("alice", "10.0.0.1") == 0
    it.failed("alice", "10.0.0.1")
    assert it.wait("alice", "10.0.0.1") == 0


def test_success_forgets_the_pair_alone():
    it, _ = throttle()
    for _ in range(LIMITS["pair"]):
        it.failed("alice", "10.0.0.1")
    it.succeeded("alice", "10.0.0.1")
    assert it.wait("alice", "10.0.0.1") == 0


def test_what_it_remembers_is_bounded():
    it, _ = throttle()
    for number in range(30_000):
        it.failed(f"user{number}", "10.0.0.1")
    assert len(it._counts) <= 20_000
    assert it.wait("anybody", "10.0.0.1") > 0
