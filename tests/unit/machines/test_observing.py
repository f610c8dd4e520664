"""What is observed of a machine: the table of what can happen to it, and that nothing told is lost."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.configuration.model import Configuration
from gaoler.host.cgroup import owners
from gaoler.host.process import Process
from gaoler.machines import live, observed
from gaoler.machines.jailing import Jailer
from gaoler.machines.live import Live, told
from gaoler.machines.machine import Machine
from gaoler.machines.monitor import Monitor
from gaoler.machines.observed import TABLE, Observed
from gaoler.machines.quotas import Quotas
from gaoler.machines.registry import Registry
from gaoler.machines.running import Running
from gaoler.machines.tally import Tally
from gaoler.store.paths import Paths
from unit.machines.test_record import WEB

LIVE = Live(Process(10, 20), 1.0, "7.2-abc")
OTHER = replace(LIVE, process=Process(11, 20))
EVENTS = {
    "starts": (1.0,), "runs": (LIVE,), "was_not_started": ("no room",), "was_found": (OTHER,), "was_lost": ("it went down",),
    "told": (lambda known: told(known, "gaol ready", lambda _: True),), "froze": (), "thawed": (), "stops": ("ttl",), "ended": (None,),
    "was_stopped": (), "went": (), "went_down_with_host": (), "slept": (), "stayed_down": (),
}  # fmt: skip
PHASES = {
    "down": Observed(reason="it failed"),
    "starting": Observed(busy="starting", begun=1.0),
    "up": Observed(live=LIVE, begun=1.0),
    "stopping": Observed(live=LIVE, busy="stopping"),
    "ended": Observed(busy="stopping"),
}
BECOMES = {
    "starts": {"down": "starting", "ended": "starting"},
    "runs": {"starting": "up"},
    "was_not_started": {"starting": "down", "up": "down"},
    "was_found": {"down": "up"},
    "was_lost": {"down": "down"},
    "went_down_with_host": {"down": "down"},
    "told": {"up": "up", "stopping": "stopping"},
    "froze": {"up": "up"},
    "thawed": {"up": "up", "stopping": "stopping"},
    "stops": {"up": "stopping", "stopping": "stopping"},
    "ended": {"up": "down", "stopping": "ended"},
    "was_stopped": {"stopping": "up", "ended": "down"},
    "slept": {"down": "down", "ended": "ended"},
    "stayed_down": {"down": "down"},
    "went": {phase: phase for phase in PHASES},
}


def happens(seen, event):
    return getattr(observed, event)(seen, *EVENTS[event])


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("event", EVENTS)
def test_the_table(event, phase):
    before = PHASES[phase]
    assert before.phase == phase
    after = happens(before, event)
    assert set(TABLE) == set(EVENTS)
    assert set(TABLE[event]) == set(BECOMES[event])
    if phase in TABLE[event]:
        assert after.phase == BECOMES[event][phase]
    else:
        assert after is before, "what means nothing here changes nothing"


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
def test_whatever_happens_in_whatever_order_it_is_in_a_phase_that_makes_sense(events):
    seen = Observed()
    for event in events:
        before, seen = seen, happens(seen, event)
        assert seen.state in ("starting", "ready", "running", "frozen", "stopping", "stopped", "failed", "asleep")
        assert (seen.live is None) == (seen.phase in ("down", "starting", "ended"))
        assert seen.live is not None or not seen.frozen, "what has ended is not frozen"
        assert seen.gone >= before.gone, "what is gone stays so"
        if seen.live is not None and seen.live.agent:
            assert seen.answered


def test_a_stop_that_ends_after_the_next_start_has_begun_does_not_disturb_it():
    seen = Observed(live=LIVE)
    for event in ("stops", "ended", "starts", "was_stopped", "runs"):
        seen = happens(seen, event)
    assert (seen.phase, seen.live) == ("up", LIVE)


@pytest.fixture
def running(tmp_path):
    network = SimpleNamespace(capacity=None)
    jailer = Jailer(Paths(tmp_path / "store", tmp_path / "run"), "t", 1 << 20, network, owners.Groups("t"))
    return Running(Registry(Configuration(), jailer), jailer, Quotas(Configuration(), jailer.paths), Monitor(), Tally())


@pytest.fixture
def file(tmp_path):
    """Where it is written down."""
    path = tmp_path / "run/machines" / WEB.id / "live.json"
    path.parent.mkdir(parents=True)
    return path


def test_two_that_come_at_once_are_both_kept(running, file):
    machine = Machine(WEB)
    machine.happen(observed.was_found, LIVE)
    other = threading.Thread(target=running.note, args=(machine, lambda known: told(known, "gaol sshd", lambda _: True)))

    def slow(known):
        other.start()
        other.join(0.2)  # it would be through by now if it were not made to wait
        return told(known, "gaol agent", lambda _: True)

    running.note(machine, slow)
    other.join()
    assert machine.live.agent and machine.live.sshd
    assert live.decode(file.read_bytes()) == machine.live


def test_of_a_machine_that_has_ended_nothing_is_noted(running, file):
    machine = Machine(WEB)
    running.note(machine, lambda known: told(known, "gaol ready", lambda _: True))
    assert machine.live is None
    assert not file.exists()


def test_who_waits_is_woken(running, file):
    machine = Machine(WEB)
    machine.happen(observed.was_found, LIVE)
    waiting = threading.Thread(target=machine.wait, args=(lambda seen: seen.state == "ready", 20.0))
    waiting.start()
    running.note(machine, lambda known: told(known, "gaol ready", lambda _: True))
    waiting.join(20.0)
    assert not waiting.is_alive()
    assert not machine.wait(lambda seen: seen.live is None, 0.01)
