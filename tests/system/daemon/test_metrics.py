"""What an administrator's monitoring sees, and that nobody else learns who does what."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from system.support.gateway import Gateway
from system.support.machine import running
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def parsed(text: str) -> dict[str, float]:
    """Samples as Prometheus would write them: `name{label="value"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def metrics(gateway: Gateway) -> dict[str, float]:
    return parsed(gateway.gaol("metrics", check=True).stdout)


class Changes:
    """How much counters have grown since the beginning of a test."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._before = metrics(gateway)

    def __getitem__(self, sample: str) -> float:
        return metrics(self._gateway).get(sample, 0) - self._before.get(sample, 0)


def test_machines_are_counted_from_their_start_to_their_end(gateway: Gateway, alice: User):
    grown = Changes(gateway)
    with running(gateway, alice, "counted", "--no-network") as machine:
        assert grown['gaoler_machines{state="ready"}'] == 1
        assert grown["gaoler_machines_memory_limit_bytes"] == machine.info()["memory"]
        assert grown["gaoler_machine_starts_total"] == 1
        assert grown['gaoler_machine_start_seconds_count{until="ready"}'] == 1
        machine.gaol("down", check=True)
        assert grown['gaoler_machine_ends_total{reason="asked"}'] == 1
        machine.up()
        os.kill(machine.info()["pid"], signal.SIGKILL)
        until(lambda: machine.state == "failed", "its end is seen")
        assert grown['gaoler_machine_ends_total{reason="crashed"}'] == 1
        machine.up()
        machine.exec("kill", "-s", "INT", "1")
        until(lambda: machine.state == "stopped", "it stops by itself")
        assert grown['gaoler_machine_ends_total{reason="itself"}'] == 1
        assert grown["gaoler_machine_starts_total"] == 3
    assert gateway.gaol("run", "--no-network", "--", "true", user=alice).returncode == 0
    until(lambda: grown['gaoler_machine_ends_total{reason="itself"}'] == 2, "a command's end is its machine's")


def test_limits_and_refusals_are_counted(gateway: Gateway, alice: User):
    grown = Changes(gateway)
    assert gateway.gaol("up", "big", "--memory", "100G", user=alice).returncode == 5
    assert gateway.gaol("info", "nobody", user=alice).returncode == 3
    assert gateway.gaol("run", "--no-network", "--memory", "96M", "--", "tail", "/dev/zero", user=alice).returncode == 137
    until(lambda: grown['gaoler_requests_total{code="3",method="Inspect"}'] == 1, "counted once it is answered")
    assert grown['gaoler_limits_reached_total{limit="memory"}'] == 1


def test_a_start_that_comes_to_nothing_is_counted(gateway: Gateway, alice: User):
    grown = Changes(gateway)
    programs = gateway.store / "bin"
    programs.rename(gateway.store / ".away")
    try:
        assert gateway.gaol("run", "--no-network", "--", "true", user=alice).returncode == 125
    finally:
        (gateway.store / ".away").rename(programs)
    assert (grown["gaoler_machine_start_failures_total"], grown["gaoler_machine_starts_total"]) == (1, 0)


def test_only_administrators_and_nobody_by_name(gateway: Gateway, alice: User, warden: User):
    with running(gateway, alice, "unnamed", "--no-network"):
        assert gateway.gaol("metrics", user=alice).returncode == 4
        text = gateway.gaol("metrics", user=warden, check=True).stdout
    assert alice.name not in text and "unnamed" not in text
    found = parsed(text)
    assert found['gaoler_base_generation{base="debian"}'] == 1
    assert found["gaoler_store_free_bytes"] < found["gaoler_store_size_bytes"]
    assert found['gaoler_check_good{check="store"}'] == 1


@pytest.fixture
def file(gateway: Gateway, tmp_path: Path):
    path = tmp_path / "gaoler.prom"
    gateway.restart(metrics={"file": str(path)})
    yield path
    gateway.restart()


def test_a_collector_finds_them_in_a_file(gateway: Gateway, file: Path):
    until(file.exists, "the daemon has written it")
    found = parsed(file.read_text())
    assert found["gaoler_machine_starts_total"] == 0, "counted since the daemon's start"
    assert found["gaoler_process_open_fds"] > 0
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_last_sync_of_a_base_is_told(gateway: Gateway, tmp_path: Path):
    from system.support.bases import small_tree

    tree = small_tree(tmp_path / "tree")
    gateway.gaol("base", "add", "small", "--directory", str(tree), check=True)
    try:
        (tree / "etc/told").write_text("new\n")
        gateway.gaol("base", "sync", "small", check=True)
        newest = gateway.json("base", "history", "small")[-1]
        (tree / "usr/bin/sh").unlink()
        for _ in range(2):
            assert gateway.gaol("base", "sync", "small").returncode == 1
        found = metrics(gateway)
        last = json.loads((gateway.store / ".gaoler/generations/small/last.json").read_text())

        def of(name: str) -> float:
            return found[f'gaoler_base_{name}{{base="small"}}']

        assert (of("generation"), of("files"), of("size_bytes")) == (2, newest["files"], newest["size"])
        assert (of("moved_files"), of("moved_bytes")) == (1, newest["moved_bytes"])
        assert (of("sync_failures"), of("sync_timestamp_seconds")) == (2, last["time"])
        assert newest["created"] <= of("sync_good_timestamp_seconds") < of("sync_timestamp_seconds")
        assert found['gaoler_base_syncs_total{base="small",result="failed"}'] >= 2
    finally:
        gateway.gaol("base", "rm", "small", check=True)
    assert 'gaoler_base_generation{base="small"}' not in metrics(gateway)
