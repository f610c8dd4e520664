"""Asks the daemon's configuration where things are; run with the installed Python, since the reader is the daemon's.

`python -m gaoler.setup.facts FILE` prints the facts as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaoler.errors import Failed, GaolerError
from gaoler.host.command import run
from gaoler.host.stream import plain_environment
from gaoler.setup.settings import Settings


@dataclass(frozen=True, slots=True)
class Facts:
    """What set-up must know of the configuration."""

    store: Path
    image: Path
    device: Path | None
    runtime: Path
    socket: Path
    cache: Path
    base: str
    admin_group: str
    has_network: bool
    web_listen: str
    web_account: str
    ids: tuple[int, int]
    names: str
    """What the names of TAPs, control groups and filters begin with."""
    bridge: str
    """Of gaoler's own; nothing where it is the LAN's."""
    subnet: str
    subnet6: str


def ask(settings: Settings) -> Facts:
    """The facts in the daemon's configuration; raises Failed with what the daemon says of a wrong one."""
    answer = json.loads(_installed(settings, "gaoler.setup.facts", str(settings.configuration)))
    if "error" in answer:
        raise Failed(*answer["error"])
    device = Path(answer["device"]) if answer["device"] else None
    paths: dict[str, Any] = {name: Path(answer[name]) for name in ("store", "image", "runtime", "socket", "cache")}
    others = {name: value for name, value in answer.items() if name not in (*paths, "device", "ids")}
    return Facts(**paths, **others, device=device, ids=(answer["ids"][0], answer["ids"][1]))


def sample(settings: Settings) -> str:
    """The text of a new configuration file."""
    return _installed(settings, "gaoler.configuration.text", "--sample")


def manuals(settings: Settings) -> dict[str, str]:
    """The manual pages that the daemon's own code makes, by their names."""
    return {
        "gaoler.toml.5": _installed(settings, "gaoler.configuration.text", "--manual"),
        "gaoler.8": _installed(settings, "gaoler.daemon.options"),
    }


def _installed(settings: Settings, *words: str) -> str:
    environment = {**plain_environment(), "PYTHONPATH": str(settings.current / "src")}
    return run([str(settings.python), "-m", *words], env=environment).stdout


def main(argument: str) -> None:
    from gaoler.configuration.file import load  # noqa: PLC0415, it needs the installed environment

    try:
        found = load(Path(argument))
    except GaolerError as error:
        print(json.dumps({"error": [error.what, error.why, error.hint]}))
        return
    answer = {
        "store": found.store.path,
        "image": found.store.image,
        "device": found.store.device,
        "runtime": found.daemon.runtime,
        "socket": found.socket,
        "cache": found.daemon.cache,
        "base": found.machines.base,
        "admin_group": found.daemon.admin_group,
        "has_network": found.network.mode != "none",
        "web_listen": found.web.listen,
        "web_account": found.web.account,
        "ids": [found.ids.first, found.ids.count],
        "names": found.daemon.prefix,
        **dict.fromkeys(("bridge", "subnet", "subnet6"), ""),
    }
    if found.network.mode == "private":
        answer |= {key: str(getattr(found.network, key) or "") for key in ("bridge", "subnet", "subnet6")}
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main(sys.argv[1])
