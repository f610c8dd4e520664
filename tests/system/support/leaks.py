"""Traces of machines on the host. A test leaves as many as it found; whoever leaves one more has a bug to mend.

The kernel is asked, not the daemon: a trace that the daemon has forgotten is the very thing to find.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from system.support import leftovers
from system.support.gateway import Gateway
from system.support.waiting import until

_SETTLE = 10.0
"""Seconds for what goes in the background: a connection's thread, a dead machine's clearing up."""


def traces(gateway: Gateway) -> set[str]:
    return {
        *_processes(gateway),
        *_cgroups(gateway),
        *_links(gateway),
        *_filters(gateway),
        *_mounts(gateway),
        *_files(gateway),
    }


@contextmanager
def leaving_nothing(gateway: Gateway) -> Iterator[None]:
    """Fails when there is more, or less, afterwards; and clears it, so that the next one starts clean."""
    before = traces(gateway)
    yield
    if not gateway.process:  # those that come after it are not to fail for it
        gateway.configure()
        gateway.start()
        raise AssertionError("the test has ended the daemon, and started none")
    try:
        until(lambda: traces(gateway) == before, "as many traces as before", _SETTLE)
    except AssertionError:
        now = traces(gateway)
        lines = [f"  left behind: {trace}" for trace in sorted(now - before)]
        lines += [f"  gone: {trace}" for trace in sorted(before - now)]
        gateway.remove_machines()
        raise AssertionError("\n".join(["the test changed the host:", *lines])) from None


def _processes(gateway: Gateway) -> Iterator[str]:
    """Those that run with a machine's ids, and crun's."""
    daemon = gateway.process.pid if gateway.process else None
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line)
            if int(status["PPid"]) == daemon:
                yield f"process {entry.name} ({status['Name']}), child of the daemon"
            elif status["State"].startswith("Z"):
                continue  # dead, and init's to take off the list
            elif any(int(uid) in gateway.ids for uid in status["Uid"].split()):
                machine = re.search(rf"/({gateway.prefix}-[0-9a-f]+)", (entry / "cgroup").read_text())
                # Those of a machine that runs come and go.
                yield (
                    f"processes of machine {machine[1]}"
                    if machine
                    else f"process {entry.name} ({status['Name']}) with a machine's id"
                )


def _cgroups(gateway: Gateway) -> Iterator[str]:
    for directory in leftovers.groups(gateway.prefix):
        yield f"control group {directory}"


def _links(gateway: Gateway) -> Iterator[str]:
    for link in Path("/sys/class/net").iterdir():
        if link.name.startswith(gateway.prefix):
            yield f"interface {link.name}"
    for port in Path("/sys/class/net").glob(f"*/brif/{gateway.prefix}*"):
        yield f"bridge port {port.name}"


def _filters(gateway: Gateway) -> Iterator[str]:
    shown = subprocess.run(
        ["nft", "--json", "list", "table", "bridge", f"{gateway.prefix}_guard"], capture_output=True, text=True, check=False
    )
    if shown.returncode:
        return
    for item in json.loads(shown.stdout)["nftables"]:
        if "chain" in item:
            yield f"filter chain {item['chain']['name']}"
        for element in item.get("map", {}).get("elem", ()):
            yield f"filter for {element[0]}"


def _mounts(gateway: Gateway) -> Iterator[str]:
    """In the host's mount namespace and the daemon's."""
    tables = {"the host": Path("/proc/self/mountinfo")}
    if gateway.process:
        tables["the daemon"] = Path(f"/proc/{gateway.process.pid}/mountinfo")
    for whose, table in tables.items():
        for line in table.read_text().splitlines():
            point = line.split()[4]
            if point.startswith((str(gateway.directory), str(gateway.runtime))):
                yield f"mount {point} of {whose}"


def _files(gateway: Gateway) -> Iterator[str]:
    """Subvolumes, records, sockets, crun's state, entries for DHCP and DNS."""
    private = gateway.store / ".gaoler"
    places = [private / name for name in ("machines", "gaols", "ephemeral", "snapshots", "memory", "staging")]
    places += [gateway.store, *(private / "generations").glob("*")]
    places += [gateway.runtime / name for name in ("machines", "jails/state", "network/dhcp", "network/dns")]
    for place in places:
        with suppress(FileNotFoundError):
            for name in os.listdir(place):
                if name.endswith(".gone"):
                    continue  # a runtime directory on its way
                yield f"file {place / name}"
