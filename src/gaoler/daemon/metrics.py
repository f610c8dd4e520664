"""The daemon's metrics in Prometheus' text format: what is counted as it happens, and what is looked at when asked.

Only sums, bases and checks: no name of a user or a machine, so that the text may lie where others can read it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gaoler import __version__
from gaoler.bases.generations import Bases
from gaoler.bases.shelf import Base
from gaoler.configuration.model import Configuration
from gaoler.daemon import doctor
from gaoler.host import cgroup
from gaoler.machines.jailing import Jailer
from gaoler.machines.observed import State
from gaoler.machines.registry import Registry

_OF_A_BASE = {
    "machines": "Cloned from the base, of any generation.",
    "held": "1 while the base is rolled back, and syncs at intervals leave it alone.",
    "generation": "The current one.",
    "generation_timestamp_seconds": "When the current generation was made.",
    "files": "In the current generation.",
    "size_bytes": "Of the files of the current generation.",
    "moved_files": "Made, changed and removed by the sync that made the current generation.",
    "moved_bytes": "Received by that sync.",
    "sync_interval_seconds": "How often it is to be synced; 0: by hand.",
    "sync_running": "1 while a sync works.",
    "sync_seconds": "How long the last sync took.",
    "sync_timestamp_seconds": "When the last sync ended.",
    "sync_good_timestamp_seconds": "When the last sync ended that did not fail.",
    "sync_failures": "Syncs that have failed since a good one.",
}


class Metrics:
    """`text` is the whole exposition, as of the moment of the call."""

    def __init__(
        self, configuration: Configuration, registry: Registry, jailer: Jailer, bases: Bases, counted: CollectorRegistry
    ) -> None:
        self._counted = counted
        self._looked = CollectorRegistry()
        self._looked.register(_Gauges(configuration, registry, jailer, bases))
        ProcessCollector(namespace="gaoler", registry=self._looked)

    def text(self) -> bytes:
        return generate_latest(self._counted) + generate_latest(self._looked)


class _Gauges(Collector):
    def __init__(self, configuration: Configuration, registry: Registry, jailer: Jailer, bases: Bases) -> None:
        self._configuration = configuration
        self._registry = registry
        self._jailer = jailer
        self._bases = bases

    def collect(self) -> Iterator[Metric]:
        yield _labelled("gaoler_info", "Which gaoler this is.", "version", {__version__: 1})
        yield from self._of_machines()
        yield from self._of_store()
        yield from self._of_bases()
        checks = {check.name: float(check.good) for check in doctor.run_on(self._configuration)}
        yield _labelled("gaoler_check_good", "What gaol doctor checks: 1 is good.", "check", checks)

    def _of_machines(self) -> Iterator[Metric]:
        there = self._registry.all()
        states = Counter(machine.state for machine in there if not machine.is_spare)
        yield _labelled("gaoler_machines", "Machines by state.", "state", {state: states[state] for state in get_args(State)})
        yield _one("gaoler_machines_ahead", "Machines that wait for their owners' next run.", sum(one.is_spare for one in there))
        running = [machine.record for machine in there if machine.live]
        yield _one("gaoler_machine_owners", "Users with machines that run.", len({record.owner.uid for record in running}))
        granted = sum(record.memory for record in running)
        yield _one("gaoler_machines_memory_limit_bytes", "Memory that running machines may take.", granted)
        used = sum(cgroup.used(self._jailer.cgroup(record)).memory for record in running)
        yield _one("gaoler_machines_memory_bytes", "Memory that running machines take.", used)

    def _of_store(self) -> Iterator[Metric]:
        space = os.statvfs(self._configuration.store.path)
        yield _one("gaoler_store_size_bytes", "Of the store's file system.", space.f_blocks * space.f_frsize)
        yield _one("gaoler_store_free_bytes", "Left in the store.", space.f_bavail * space.f_frsize)
        store = self._configuration.store
        if not store.device:
            below = os.statvfs(store.image.parent)
            yield _one("gaoler_store_image_free_bytes", "Left for the store's image to grow.", below.f_bavail * below.f_frsize)

    def _of_bases(self) -> Iterator[Metric]:
        families = {name: GaugeMetricFamily(f"gaoler_base_{name}", text, labels=["base"]) for name, text in _OF_A_BASE.items()}
        cloned = Counter(machine.record.base for machine in self._registry.all())
        for base in self._bases.all():
            for name, value in self._of_base(base, cloned[base.name]).items():
                if value is not None:
                    families[name].add_metric([base.name], float(value))
        yield from families.values()

    def _of_base(self, base: Base, machines: int) -> dict[str, float | None]:
        """The keys are those of `_OF_A_BASE`; what is not known of a base is left out."""
        values: dict[str, float | None] = {
            "machines": machines,
            "held": base.held,
            "sync_interval_seconds": self._configuration.of_base(base.name).sync,
            "sync_running": self._bases.is_updating(base.name),
        }
        if note := self._bases.note(base):
            values |= {
                "generation": int(note.number),
                "generation_timestamp_seconds": note.created,
                "files": note.files,
                "size_bytes": note.size,
                "moved_files": note.moved_files,
                "moved_bytes": note.moved_bytes,
            }
        if last := base.last:
            values |= {
                "sync_seconds": last.seconds,
                "sync_timestamp_seconds": last.time,
                "sync_good_timestamp_seconds": last.good,
                "sync_failures": last.failures,
            }
        return values


def _one(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def _labelled(name: str, help_: str, label: str, samples: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for key, value in samples.items():
        family.add_metric([key], value)
    return family
