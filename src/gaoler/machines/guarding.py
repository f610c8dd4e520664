"""The guard of machines' ports is put back when somebody flushes the host's rules, as a firewall's restart does.

Until then, for milliseconds, or for as long as no daemon runs, a bridge port lets through what the machine sends under
its own MAC only (links.attach): that is the bridge's own doing. With the table in place again all ports are closed, and
each is opened for what its machine may send.
"""

from __future__ import annotations

import logging
from functools import partial

from gaoler.errors import GaolerError
from gaoler.host.net import links
from gaoler.machines.monitor import Monitor
from gaoler.machines.network import Network
from gaoler.machines.registry import Registry

_LOOK = 30.0
"""Seconds between looks at what DHCP servers gave to machines: that is lost with the rules, and asked for again late."""
_log = logging.getLogger(__name__)


def keep(registry: Registry, network: Network, monitor: Monitor) -> None:
    """Guard what runs, and go on doing so, in the monitor's thread."""
    _leave(registry, network, monitor)
    if network.settings.mode == "none":
        return
    leases: dict[str, list[str]] = {}
    watched = network.guard.watch()

    def look() -> None:
        if network.guard.lost(watched):
            _log.warning("somebody deleted the rules that guard machines' ports; they are put back")
            network.restore_rules()
            _guard_all(registry, network, leases)

    monitor.watch(watched.fileno(), look)
    _guard_all(registry, network, leases)  # what an earlier daemon's machines have lost while there was none
    if network.settings.mode == "bridge":
        _note(network, monitor, leases)
    else:
        _give_way(network, monitor)


def _guard_all(registry: Registry, network: Network, leases: dict[str, list[str]]) -> None:
    """By the interfaces that are there, so that a machine that just starts is not forgotten."""
    there, guarded = set(links.list_links(network.prefix)), network.guard.listed()
    for machine in registry.all():
        tap = network.tap_name(machine.record)
        if tap in there - guarded and machine.observed.phase in ("starting", "up", "stopping"):  # and is not about to go
            try:
                network.protect(machine.record, leases.get(tap, ()))
            except GaolerError as error:
                _log.error("%s stays closed: %s", tap, error)


def _leave(registry: Registry, network: Network, monitor: Monitor) -> None:
    try:
        up = [machine.record for machine in registry.all() if machine.observed.phase in ("starting", "up", "stopping")]
        network.leave_earlier({address for of in up for address in (of.address, of.address6) if address})
    finally:
        monitor.after(_LOOK, partial(_leave, registry, network, monitor))


def _note(network: Network, monitor: Monitor, leases: dict[str, list[str]]) -> None:
    try:
        leases.update((tap, found) for tap in network.guard.listed() if (found := network.guard.leases(tap)))
        for tap in leases.keys() - set(links.list_links(network.prefix)):
            del leases[tap]
    finally:
        monitor.after(_LOOK, partial(_note, network, monitor, leases))


def _give_way(network: Network, monitor: Monitor) -> None:
    try:
        network.give_way()
    except GaolerError as error:
        _log.error("%s", error)
    finally:
        monitor.after(_LOOK, partial(_give_way, network, monitor))
