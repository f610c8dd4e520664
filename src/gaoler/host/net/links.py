"""Network interfaces of the host: bridges, and TAPs plugged into them (rtnetlink through pyroute2)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from hashlib import sha256
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, TypeVar

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from gaoler.errors import Failed, NotFound

_IFA_F_NODAD = 0x02  # linux/if_addr.h
_NUD_NOARP, _NTF_MASTER = 0x40, 0x04  # linux/neighbour.h
_NUD_REACHABLE = 0x02
_INGRESS = 0xFFFFFFF2  # TC_H_MIN_INGRESS below TC_H_CLSACT, linux/pkt_sched.h

_T = TypeVar("_T")


def ensure_bridge(name: str, addresses: list[str]) -> None:
    """Make bridge `name` if need be, bring it up, and give it `addresses` ("10.1.0.1/20"), leaving others that it has.

    Its MAC follows from its name: a bridge of its own accord takes over that of a port, and changes it when the port
    goes. IPv6 addresses are used at once, without duplicate address detection: that waits for the first port.
    """
    if not link_exists(name):
        _try(
            f"can't make bridge {name}",
            lambda ip: ip.link("add", ifname=name, kind="bridge", address=_mac(name), br_mcast_snooping=0),
        )
    index = _index(name)
    _try(f"can't bring up bridge {name}", lambda ip: ip.link("set", index=index, state="up"))
    for text in addresses:
        address = ip_interface(text)
        extra = {"flags": _IFA_F_NODAD} if address.version == 6 else {"broadcast": str(address.network[-1])}
        _try(
            f"can't give {text} to {name}",
            lambda ip, a=address, e=extra: ip.addr(  # type: ignore[misc]
                "add", index=index, address=str(a.ip), prefixlen=a.network.prefixlen, **e
            ),
            accept=errno.EEXIST,
        )


def delete_address(name: str, text: str) -> None:
    """Take an address ("10.1.0.1/20") from an interface; nothing where it is not there."""
    address = ip_interface(text)
    with suppress(NotFound):
        index = _index(name)
        _try(
            f"cannot take {text} from {name}",
            lambda ip: ip.addr("del", index=index, address=str(address.ip), prefixlen=address.network.prefixlen),
            accept=errno.EADDRNOTAVAIL,
        )


def ports(bridge: str) -> list[str]:
    """Names of the interfaces that are plugged into a bridge; none where there is no such bridge."""
    try:
        return sorted(os.listdir(f"/sys/class/net/{bridge}/brif"))
    except FileNotFoundError:
        return []


def delete_link(name: str) -> None:
    """Delete an interface; nothing when there is none."""
    with suppress(NotFound):
        index = _index(name)
        _try(f"can't delete {name}", lambda ip: ip.link("del", index=index), accept=errno.ENODEV)


def attach(tap: str, bridge: str, *, mac: str | None = None, isolated: bool = False) -> None:
    """Plug a TAP into a bridge and bring it up. `isolated` ports reach all ports but one another.

    With `mac`, the bridge itself takes no frame of another sender from there, whatever the filter's rules are: the port
    is locked, and learns nothing. The host speaks no IPv6 on the TAP itself, and a spanning tree message from the
    machine closes the port.
    """
    index, master = _index(tap), _index(bridge)
    with suppress(FileNotFoundError):  # a host without IPv6
        Path(f"/proc/sys/net/ipv6/conf/{tap}/disable_ipv6").write_text("1")
    what = f"can't plug {tap} into {bridge}"
    _try(what, lambda ip: ip.link("set", index=index, master=master))
    if mac is None:
        _try(what, lambda ip: ip.brport("set", index=index, guard=1, isolated=int(isolated)))
    else:
        _try(what, lambda ip: ip.brport("set", index=index, guard=1, isolated=int(isolated), locked=1, learning=0))
        # Permanent for the bridge would be an address of the host's own; this one is reachable, and does not age.
        _try(what, lambda ip: ip.fdb("append", ifindex=index, lladdr=mac, state=_NUD_NOARP, flags=_NTF_MASTER))
    _try(what, lambda ip: ip.link("set", index=index, state="up"))


def number(name: str) -> int:
    """An interface's, which no other one will have as long as the host runs. Raises NotFound."""
    return _index(name)


def classify(name: str, program: int, label: str) -> None:
    """Have a loaded program look at each frame that comes from an interface, in place of one that did before."""
    index = _index(name)
    _try(f"can't guard {name}", lambda ip: classify_with(ip, index, program, label))


def classify_with(ip: Any, index: int, program: int, label: str) -> None:
    """The same over a connection of the caller's own. Raises NetlinkError."""
    try:
        ip.tc("add", "clsact", index)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
    ip.tc(
        "replace-filter", "bpf", index,
        parent=_INGRESS, handle=1, prio=1, fd=program, name=label, classid=1, direct_action=True,
    )  # fmt: skip


def forget_neighbour(interface: str, address: str) -> None:
    """Have this host ask for the MAC of an address when it needs it next; nothing where it doesn't know it."""
    index = _index(interface)
    _try(f"can't forget {address}", lambda ip: ip.neigh("del", dst=address, ifindex=index), accept=errno.ENOENT)


def tell_neighbour(interface: str, address: str, mac: str) -> None:
    """Tell this host the MAC of an address, as if it had asked; it looks for itself whether that still holds."""
    index = _index(interface)
    _try(
        f"can't note {address}",
        lambda ip: ip.neigh("replace", dst=address, lladdr=mac, ifindex=index, state=_NUD_REACHABLE),
    )


def link_exists(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def is_bridge(name: str) -> bool:
    return Path(f"/sys/class/net/{name}/bridge").is_dir()


def is_made(bridge: str) -> bool:
    """Whether `ensure_bridge` has made it: it has the MAC that follows from its name."""
    try:
        return Path(f"/sys/class/net/{bridge}/address").read_text().strip() == _mac(bridge)
    except OSError:
        return False


def list_links(prefix: str = "") -> list[str]:
    """Names of the interfaces that begin with `prefix`."""
    return sorted(name for _, name in socket.if_nameindex() if name.startswith(prefix))


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise NotFound(f"there is no interface {name}", "nobody has made it, or it is gone", "ip -br link") from error


def _mac(name: str) -> str:
    return "02:" + ":".join(f"{byte:02x}" for byte in sha256(name.encode()).digest()[:5])


def connected() -> Any:
    """A connection to the calling thread's network namespace, a context manager."""
    route: Any = IPRoute
    return route()


class Netlink:
    """One netlink socket for all of the daemon's threads, in a thread of its own.

    pyroute2 makes an event loop and a socket for each thread that calls it, and closes none of them when the thread ends.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "netlink")
        self._route: Any = self._thread.submit(IPRoute).result()

    def call(self, request: Callable[[Any], _T]) -> _T:
        return self._thread.submit(request, self._route).result()

    def close(self) -> None:
        self._thread.submit(self._route.close).result()
        self._thread.shutdown()


@cache
def netlink() -> Netlink:
    """The connection to the network namespace that this process is in when it is first asked for."""
    return Netlink()


def _try(what: str, request: Callable[[Any], _T], accept: int | None = None) -> _T | None:
    """One request. An answer of `accept` counts as done."""
    try:
        return netlink().call(request)
    except NetlinkError as error:
        if error.code == accept:
            return None
        why = error.args[1] if len(error.args) > 1 else str(error)
        raise Failed(what, str(why), "ip -br link") from error
