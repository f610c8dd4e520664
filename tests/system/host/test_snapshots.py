"""Snapshots of machines on a real btrfs, where they end and where they fail."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from gaoler.errors import Failed, LimitReached
from gaoler.host import btrfs
from gaoler.machines import snapshots
from gaoler.machines.machine import Machine
from system.support.host import nothing_left_over, store  # noqa: F401 - fixtures

pytestmark = pytest.mark.root


@pytest.fixture
def machine():
    return Machine(SimpleNamespace(id="abc", name="web"))


@pytest.fixture
def machines(store):  # noqa: F811
    """As far as snapshots go: one machine's gaol, and disks that can be limited."""
    paths = SimpleNamespace(snapshots=store / "snapshots", staging=store / "staging")
    for directory in vars(paths).values():
        directory.mkdir()
    btrfs.create(store / "gaol")
    (store / "record").mkdir()
    jailer = SimpleNamespace(gaol=lambda _: store / "gaol", paths=paths)
    registry = SimpleNamespace(check_there=lambda _: None, check_idle=lambda _: None, directory=lambda _: store / "record")
    quotas = SimpleNamespace(limit=lambda *_: None, held=lambda record: record)
    return SimpleNamespace(
        paths=paths, jailer=jailer, quotas=quotas, snapshots=snapshots.Snapshots(registry, jailer, quotas, None)
    )


def test_a_machine_has_so_many_snapshots_and_no_more(machines, machine, monkeypatch):
    monkeypatch.setattr(snapshots, "MOST", 2)
    machines.snapshots.take(machine, "one")
    machines.snapshots.take(machine, "two")
    with pytest.raises(LimitReached, match="2 snapshots"):
        machines.snapshots.take(machine, "three")
    assert machines.snapshots.tags(machine) == ["one", "two"]


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_staged_does_not_stay(machines, machine, fails):
    def refuse(*_):
        raise Failed("can't limit disks")

    gaol = machines.jailer.gaol(machine.record)
    machines.snapshots.take(machine, "empty")
    (gaol / "file").touch()
    if fails:
        machines.quotas.limit = refuse
        with pytest.raises(Failed, match="can't limit"):
            machines.snapshots.restore(machine, "empty")
    else:
        machines.snapshots.restore(machine, "empty")
    assert os.listdir(gaol) == (["file"] if fails else [])
    assert os.listdir(machines.paths.staging) == []
