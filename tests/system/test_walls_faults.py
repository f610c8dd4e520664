"""Faults from outside, while machines run: what must hold afterwards is said in each test."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from system.support.machine import Machine, running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], capture_output=True, text=True, check=False).stdout


def guarded(gateway) -> str:
    return nft("list", "map", "bridge", f"{gateway.prefix}_guard", "machines")


def reachable(machine: Machine) -> bool:
    return not subprocess.run(["ping", "-c1", "-W1", machine.address], capture_output=True, check=False).returncode


def delete_rules(gateway) -> None:
    """What `nft flush ruleset` does to us, and to nobody else on this host."""
    subprocess.run(["nft", "delete", "table", "bridge", f"{gateway.prefix}_guard"], check=True)


def test_flushed_rules_are_put_back_at_once(gateway, web):
    ports = guarded(gateway)
    assert "goto port_" in ports
    delete_rules(gateway)
    until(lambda: guarded(gateway) == ports, "the guard is there again")
    assert reachable(web)


def test_rules_flushed_while_no_daemon_runs_are_put_back_by_the_next(gateway, web):
    ports = guarded(gateway)
    gateway.kill()
    delete_rules(gateway)
    gateway.start()
    assert guarded(gateway) == ports
    assert reachable(web)
