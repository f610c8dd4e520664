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


def test_what_a_killed_daemon_left_beside_a_record_goes_with_the_machine(registry):
    with registry.added(WEB.owner, "web", describe) as machine:
        registry.save(machine.record)
        half = registry.directory(machine.record) / "tmp1234"  # where ssh-keygen was at work
        half.mkdir(parents=True)
        (half / "key").write_text("half made")
    registry.forget(machine)
    assert list(registry.paths.records.iterdir()) == []
    assert registry.all() == []


def test_what_is_kept_beside_a_record_follows_a_rename(registry):
    with registry.added(WEB.owner, "web", describe) as machine:
        registry.save(machine.record)
    kept = registry.directory(machine.record) / "ssh_host_keys"
    kept.write_text("ssh-ed25519 AAAA")
    registry.rename(machine, "shop")
    assert (registry.directory(machine.record) / "ssh_host_keys").read_text() == "ssh-ed25519 AAAA"
    with registry.added(WEB.owner, "web", describe) as other:
        registry.save(other.record)
        assert not (registry.directory(other.record) / "ssh_host_keys").exists(), "another machine has other host keys"
    with pytest.raises(NameTaken):
        registry.rename(other, "shop")
