"""Settings of an installation beside others: what it takes of the host is its own from the first `make up` on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import NotAllowed
from gaoler.host import id_ranges
from gaoler.setup.instances import Instance

_MOST = 9
"""Installations beside the first one."""
_IDS = 1 << 23
"""Host ids of each: 64 machines."""
_FIRST_ID = 0x70000000
"""Behind those that systemd-nspawn picks from, up to where the first installation's begin (gaoler.host.id_ranges)."""
_SHARE = 4
"""Its machines may take a quarter of the host's memory: two that take all of it are one too many."""


@dataclass(frozen=True)
class Own:
    """Values by section and key, as TOML writes them."""

    settings: dict[str, dict[str, str]]

    def into(self, text: str) -> str:
        """A sample of the configuration with them: below each section's heading."""
        for section, values in self.settings.items():
            lines = "".join(f"{key} = {value}\n" for key, value in values.items())
            text = text.replace(f"[{section}]\n", f"[{section}]\n{lines}", 1)
        return text


def choose(known: list[Instance], configuration: Path) -> Own:
    """What none of the installations that are known takes. Raises NotAllowed where there are too many."""
    for number in range(1, _MOST + 1):
        wanted = _numbered(number)
        if not any(wanted.clashes(one) for one in known) and not id_ranges.given(*_ids(number)):
            return _own(number, wanted)
    raise NotAllowed(
        f"there are {len(known)} installations on this host", "none is left to choose", f"sudo editor {configuration}"
    )


def _numbered(number: int) -> Instance:
    return Instance(
        prefix="",
        configuration="",
        store=f"/uml-{number}",
        state=f"/var/lib/gaoler-{number}",
        runtime=f"/run/gaoler-{number}",
        socket=f"/run/gaoler-{number}/gaoler.sock",
        names=f"g{number}",
        bridge=f"gaoler{number}",
        subnet=f"10.83.{16 * number}.0/20",
        subnet6=f"fd67:616f:6c00:{number}::/64",
        ids=_ids(number),
        web=f"127.0.0.1:{8443 + number}",
    )


def _ids(number: int) -> tuple[int, int]:
    return _FIRST_ID + (number - 1) * _IDS, _IDS


def _own(number: int, of: Instance) -> Own:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE
    first, count = _ids(number)
    return Own(
        {
            "daemon": {"runtime": f'"{of.runtime}"', "prefix": f'"{of.names}"'},
            "store": {"path": f'"{of.store}"', "image": f'"{of.state}/store.img"'},
            "network": {
                "bridge": f'"{of.bridge}"',
                "subnet": f'"{of.subnet}"',
                "subnet6": f'"{of.subnet6}"',
                "domain": f'"gaol{number}"',
            },
            "machines": {"all_memory": f'"{memory >> 20}M"'},
            "ids": {"first": f"{first}", "count": f"{count}"},
            "web": {"listen": f'"{of.web}"'},
        }
    )
