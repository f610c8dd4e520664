"""What this daemon made of the host's network, also for an earlier configuration: so that nothing of a corrected one is left.

Machines that run are plugged into what there was when they started. When the last of them has stopped, it goes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address, ip_interface
from pathlib import Path

from gaoler.errors import GaolerError
from gaoler.files import replace
from gaoler.host.net import links, routing

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """For one configuration of private mode: the bridge, the host's addresses on it, and where the host answers for machines."""

    bridge: str
    addresses: tuple[str, ...] = ()
    proxy_arp: str = ""


def noted(state: Path) -> list[Made]:
    """What was made by daemons of this state directory, the newest first."""
    try:
        raw = json.loads((state / "made.json").read_text())
    except (OSError, ValueError):
        return []
    known = {field.name for field in fields(Made)}
    found = [raw] if isinstance(raw, dict) else raw  # one alone, of versions that kept one
    kept = [Made(**{key: value for key, value in one.items() if key in known}) for one in found]
    return [Made(one.bridge, tuple(one.addresses), one.proxy_arp) for one in kept]


def is_plugged(bridge: str, prefix: str) -> bool:
    """Whether a machine that runs is plugged into it."""
    return any(port.startswith(prefix) for port in links.ports(bridge))


class EarlierNetworks:
    """Of one daemon, which itself makes `own`, or nothing; `stop` ends its servers there, which need a bridge of its own."""

    def __init__(self, state: Path, prefix: str, own: Made | None, stop: Callable[[], None]) -> None:
        self._state, self._prefix, self._own, self._stop = state, prefix, own, stop
        self._left: list[Made] = []

    def note(self) -> None:
        """Before anything is made. Raises OSError."""
        self._left = [one for one in noted(self._state) if one != self._own]
        self._write()

    def leave(self, running: Collection[str] | None = None) -> None:
        """Take down what no machine needs any more. `running` are addresses of machines that run, where that is known."""
        kept = [one for one in self._left if self._is_needed(one, running) or not self._leave(one)]
        if kept != self._left:
            self._left = kept
            self._write()

    def forget(self) -> None:
        """When all is taken down: other bridges go here, the own one goes with what else its maker made."""
        for one in noted(self._state):
            if self._own is None or one.bridge != self._own.bridge:
                links.delete_link(one.bridge)
        (self._state / "made.json").unlink(missing_ok=True)

    def _write(self) -> None:
        made = [*([self._own] if self._own else []), *self._left]
        if made:
            self._state.mkdir(parents=True, exist_ok=True)
            replace(self._state / "made.json", json.dumps([asdict(one) for one in made]).encode())
        else:
            (self._state / "made.json").unlink(missing_ok=True)

    def _is_needed(self, one: Made, running: Collection[str] | None) -> bool:
        if running is None or self._own is None or one.bridge != self._own.bridge:
            return is_plugged(one.bridge, self._prefix)
        networks = [ip_interface(text).network for text in set(one.addresses) - set(self._own.addresses)]
        return any(ip_address(address) in network for address in running for network in networks)

    def _leave(self, one: Made) -> bool:
        try:
            if self._own is None:
                self._stop()
                routing.disable(self._prefix, one.bridge)
            elif one.bridge != self._own.bridge:
                routing.leave(one.bridge)
            if one.proxy_arp and (self._own is None or one.proxy_arp != self._own.proxy_arp):
                routing.answer_no_more(one.proxy_arp)
            if self._own is None or one.bridge != self._own.bridge:
                links.delete_link(one.bridge)
            else:
                for address in set(one.addresses) - set(self._own.addresses):
                    links.delete_address(one.bridge, address)
        except GaolerError as error:
            _log.error("%s", error)
            return False
        _log.info("what an earlier configuration made is taken down: %s %s", one.bridge, " ".join(one.addresses))
        return True
