"""A machine can be found from the moment that its name is taken; its files come later."""

import threading
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from gaoler.configuration.model import Configuration
from gaoler.errors import NotFound
from gaoler.machines.registry import NameTaken, Registry
from unit.machines.test_record import WEB


@dataclass
class Jailer:
    paths: object
    network = SimpleNamespace(capacity=None)


@pytest.fixture
def registry(tmp_path):
    return Registry(Configuration(), Jailer(SimpleNamespace(records=tmp_path)))


def describe(identity, slot):
    return replace(WEB, id=identity, slot=slot)


def in_another_thread(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def test_who_finds_it_while_it_is_made_waits(registry):
    owner = WEB.owner
    with registry.added(owner, "web", describe):
        found = registry.get(owner.uid, "web")
        assert not in_another_thread(lambda: found.lock.acquire(blocking=False))
        with pytest.raises(NameTaken), registry.added(owner, "web", describe):
            pass
    assert in_another_thread(lambda: found.lock.acquire(blocking=False))


def test_one_that_could_not_be_made_is_forgotten_and_who_waited_is_told(registry):
    with pytest.raises(OSError), registry.added(WEB.owner, "web", describe):
        found = registry.get(WEB.owner.uid, "web")
        raise OSError
    assert registry.all() == []
    with pytest.raises(NotFound):
        registry.check_there(found)
