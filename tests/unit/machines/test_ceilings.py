"""What machines may take together leaves the host room, whatever its size; what an administrator says holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaoler.configuration.model import Configuration
from gaoler.host.jail.bundle import OOM_SCORE
from gaoler.machines import ceilings
from gaoler.machines.ceilings import Ceiling
from unit.machines.test_record import OWNER

PAGE = 4096


@pytest.mark.parametrize("there", [1 << 30, 2 << 30, 16 << 30, 1 << 40])
def test_the_hosts_services_have_room(monkeypatch, there):
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": there // PAGE, "SC_PAGE_SIZE": PAGE}.__getitem__)
    everybody, one = ceilings.of_all(Configuration()), ceilings.of_owner(Configuration(), OWNER)
    assert there // 2 <= everybody.memory <= there - (512 << 20)
    assert one.memory == everybody.memory // 2
    assert one.pids == everybody.pids // 2 < int(Path("/proc/sys/kernel/pid_max").read_text())


def test_what_is_granted_holds():
    given = {
        "machines": {"all_memory": "8G", "all_pids": 5000},
        "limits": {"user": {"alice": {"owner_memory": "1G", "owner_pids": 99}}},
    }
    configuration = Configuration.model_validate(given)
    assert ceilings.of_all(configuration) == Ceiling(8 << 30, 5000)
    assert ceilings.of_owner(configuration, OWNER) == Ceiling(1 << 30, 99)


def test_machines_end_before_services_when_memory_ends():
    assert 0 < OOM_SCORE <= 1000
