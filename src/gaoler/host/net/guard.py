"""Each machine's port on a bridge, guarded: frames that the machine has no right to send are dropped at once."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address

from gaoler.errors import Failed
from gaoler.host.net import guard_rules, nft


class Guard:
    """The guarded ports of one daemon: TAPs whose names begin with `prefix`.

    A port of such a name that was not added may send nothing at all, so that no order of steps leaves a gap. The rules
    stay when the daemon goes. Prefixes of two daemons on a host must not begin with one another.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def install(self) -> None:
        """Make the table; ports that are guarded stay so. Raises Failed where the kernel has no such filter."""
        nft.transact(guard_rules.installation(self._prefix), "can't guard machines' ports")

    def uninstall(self) -> None:
        """Take everything away; nothing when there is nothing."""
        nft.transact(guard_rules.uninstallation(self._prefix), "can't remove the guard of machines' ports")

    def watch(self) -> socket.socket:
        """A socket that is readable when rules were changed; then `lost` tells whether these were among them."""
        return nft.watch()

    def lost(self, watched: socket.socket) -> bool:
        """Whether somebody has deleted the table: `nft flush ruleset`, as a firewall's restart does it."""
        return nft.deleted(watched, guard_rules.table(self._prefix))

    def add(self, tap: str, mac: str, addresses: Sequence[str] | None, leases: Sequence[str] = ()) -> None:
        """Let the port send as `mac` and from `addresses`, or with None from what DHCP gives it; before it is up.

        Replaces what held for the port, in one transaction. `leases` are addresses that DHCP gave it already.
        """
        nft.transact(guard_rules.port(self._prefix, tap, mac, addresses, leases), f"can't guard {tap}")

    def leases(self, tap: str) -> list[str]:
        """The addresses that DHCP servers gave to the port's machine, as the kernel saw it."""
        command = f"list set bridge {guard_rules.table(self._prefix)} {guard_rules.leases(tap)}"
        try:
            shown = nft.listed(command, f"can't list the leases of {tap}")
        except Failed as error:
            if "No such file or directory" not in error.why:
                raise
            return []
        return [str(IPv4Address(element)) for entry in shown for element in entry.get("set", {}).get("elem", [])]

    def remove(self, tap: str) -> None:
        """Forget a port; nothing when it is not known."""
        try:
            nft.transact(guard_rules.removal(self._prefix, tap), f"can't remove the guard of {tap}")
        except Failed as error:
            if "No such file or directory" not in error.why:  # the whole table is gone
                raise

    def listed(self) -> set[str]:
        """The guarded ports, as the kernel has them; empty also when somebody flushed all rules."""
        command = f"list map bridge {guard_rules.table(self._prefix)} {guard_rules.MACHINES}"
        try:
            shown = nft.listed(command, "can't list guarded ports")
        except Failed as error:
            if "No such file or directory" not in error.why:
                raise
            return set()
        maps = (entry["map"] for entry in shown if "map" in entry)
        return {element[0] for entry in maps for element in entry.get("elem", [])}
