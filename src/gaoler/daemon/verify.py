"""Whether this host can have what a configuration says, before anything stops or starts for it.

What would break is refused, each mistake with its line. What only may be a mistake, a limit for nobody, say, is told.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gaoler.bases.generations import Bases
from gaoler.configuration import mistakes
from gaoler.configuration.file import read
from gaoler.configuration.model import Configuration, Masters, Network, Web
from gaoler.errors import GaolerError
from gaoler.host import block, mounts
from gaoler.host.net import links, overlaps
from gaoler.host.net.overlaps import Subnet
from gaoler.kernels import installed
from gaoler.machines import earlier_networks
from gaoler.store.paths import Paths


@dataclass(frozen=True)
class Finding:
    """`key` is the setting, by its sections."""

    key: tuple[str, ...]
    what: str
    absent: bool = False
    """Whether it may yet come: interfaces appear while the host boots."""

    def __str__(self) -> str:
        return f"{'.'.join(self.key)}: {self.what}"


def loaded(path: Path) -> Configuration:
    """The configuration in that file, which this host can have. Raises Usage with every mistake, each with its line."""
    text, configuration = read(path)
    refuse(path, text, refused(configuration))
    return configuration


def refuse(path: Path, text: str, found: list[Finding]) -> None:
    """Raise Usage where there is something."""
    if found:
        raise mistakes.usage(path, [(mistakes.line(text, one.key), str(one)) for one in found])


def refused(configuration: Configuration) -> list[Finding]:
    """What can't be."""
    return [*_paths(configuration), *_store(configuration), *_network(configuration)]


def told(configuration: Configuration) -> list[Finding]:
    """What may be a mistake, and hinders nothing."""
    return [
        *_shadowed(configuration),
        *_accounts(configuration),
        *_trees(configuration),
        *_files(configuration),
    ]


# refused


def _paths(configuration: Configuration) -> Iterator[Finding]:
    daemon, store = configuration.daemon, configuration.store
    named: dict[tuple[str, ...], Path | None] = {
        ("daemon", "runtime"): daemon.runtime,
        ("daemon", "socket"): daemon.socket,
        ("daemon", "cache"): daemon.cache,
        ("store", "path"): store.path,
        ("store", "device"): store.device,
        ("store", "image"): None if store.device else store.image,
        ("metrics", "file"): configuration.metrics.file,
        ("audit", "directory"): configuration.audit.directory,
        ("web", "certificate"): configuration.web.certificate,
        ("web", "key"): configuration.web.key,
    }
    for key, path in named.items():
        if path is None:
            continue
        if not path.is_absolute():
            yield Finding(key, f"{path} must begin with /")
        elif not (there := _nearest(path.parent)).is_dir():
            yield Finding(key, f"{there} is not a directory")
    for key, path in named.items():
        if key[1] in ("runtime", "path") and path and path.exists() and not path.is_dir():
            yield Finding(key, f"{path} is not a directory")


def _nearest(path: Path) -> Path:
    """It, or what is there of it."""
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))


def _store(configuration: Configuration) -> Iterator[Finding]:
    device = configuration.store.device
    if device is not None and device.is_absolute():
        try:
            block.must_be_device(device)
        except GaolerError as error:
            yield Finding(("store", "device"), error.what, absent=True)


def _network(configuration: Configuration) -> Iterator[Finding]:
    network = configuration.network
    if network.mode == "none":
        return
    key = ("network", "bridge")
    if links.link_exists(network.bridge):
        if not links.is_bridge(network.bridge):
            yield Finding(key, f"{network.bridge} is not a bridge; machines are plugged into one")
        elif network.mode == "private" and (why := _taken(network, configuration.daemon.prefix)):
            yield Finding(key, f'{network.bridge} is a bridge of this host\'s own ({why}): mode = "bridge", or another name')
    elif network.mode == "bridge":
        yield Finding(key, f"there is no bridge {network.bridge}", absent=True)
    if network.mode == "private":
        yield from _private(configuration)


def _taken(network: Network, prefix: str) -> str:
    """Why a bridge that is there is not one of gaoler's making."""
    if links.is_made(network.bridge):
        return ""
    others = [port for port in links.ports(network.bridge) if not port.startswith(prefix)]
    return f"{others[0]} is plugged into it" if others else ""


def _private(configuration: Configuration) -> Iterator[Finding]:
    network = configuration.network
    if network.proxy_arp and not links.link_exists(network.proxy_arp):
        yield Finding(("network", "proxy_arp"), f"there is no interface {network.proxy_arp}", absent=True)
    if network.subnet6 and not Path("/proc/sys/net/ipv6").is_dir():
        yield Finding(("network", "subnet6"), 'IPv6 is off on this host; without it: subnet6 = ""')
    own = _own(configuration)
    for name, subnet in _subnets(network):
        beside = (*own, network.proxy_arp) if name == "subnet" else own
        if found := overlaps.hidden(subnet, overlaps.routes(subnet.version), beside):
            yield Finding(("network", name), f"{subnet} overlaps {', '.join(map(str, found[:4]))}")


def _own(configuration: Configuration) -> tuple[str, ...]:
    """Bridges that this daemon made, or is to make; but not those with machines in them that would be beside a new one."""
    daemon, now = configuration.daemon, configuration.network.bridge
    made = [one.bridge for one in earlier_networks.noted(daemon.runtime / "network")]
    return (now, *(one for one in made if one != now and not earlier_networks.is_plugged(one, daemon.prefix)))


def _subnets(network: Network) -> Iterator[tuple[str, Subnet]]:
    yield "subnet", network.subnet
    if network.subnet6 and Path("/proc/sys/net/ipv6").is_dir():
        yield "subnet6", network.subnet6


# told


def _shadowed(configuration: Configuration) -> Iterator[Finding]:
    network, own = configuration.network, _own(configuration)
    for name, subnet in _subnets(network) if network.mode == "private" else ():
        for route in overlaps.shadowed(subnet, overlaps.routes(subnet.version), (*own, network.proxy_arp)):
            yield Finding(("network", name), f"{subnet} is a part of {route}: what is there of it can't be reached any more")


def _accounts(configuration: Configuration) -> Iterator[Finding]:
    limits = configuration.limits
    user, group = partial(_known, pwd.getpwnam, "user"), partial(_known, grp.getgrnam, "group")
    for name in limits.user:
        yield from user(("limits", "user", name), name)
    for name in limits.group:
        yield from group(("limits", "group", name), name)
    yield from group(("daemon", "admin_group"), configuration.daemon.admin_group)
    if configuration.web.listen and configuration.web.account != Web().account:  # which make up makes
        yield from user(("web", "account"), configuration.web.account)


def _known(look: Callable[[str], object], kind: str, key: tuple[str, ...], name: str) -> Iterator[Finding]:
    try:
        look(name)
    except KeyError:
        yield Finding(key, f"this host has no {kind} {name}")


def _trees(configuration: Configuration) -> Iterator[Finding]:
    """Bases and kernels, where the store is there to tell."""
    if not mounts.is_mounted(configuration.store.path):
        return
    paths = Paths(configuration.store.path, configuration.daemon.runtime)
    bases = Bases(paths)
    for key, name in [(("machines", "base"), configuration.machines.base), *((("base", one), one) for one in configuration.base)]:
        try:
            bases.find(name)
        except GaolerError:
            yield Finding(key, f'there is no base "{name}"')
    try:
        if configuration.machines.kernel:
            installed.find(paths.kernels, configuration.machines.kernel)
    except GaolerError as error:
        yield Finding(("machines", "kernel"), error.what)


def _files(configuration: Configuration) -> Iterator[Finding]:
    usual = Masters()
    masters, web = configuration.masters, configuration.web
    named: dict[tuple[str, ...], Path | None] = {
        ("masters", "identity"): None if masters.identity == usual.identity else masters.identity,
        ("masters", "known_hosts"): None if masters.known_hosts == usual.known_hosts else masters.known_hosts,
        ("masters", "password"): None if masters.password == usual.password else masters.password,
        ("web", "certificate"): web.certificate,
        ("web", "key"): web.key,
    }
    for key, path in named.items():
        if path and not os.path.lexists(path):
            yield Finding(key, f"there is no {path}")
    if (file := configuration.metrics.file) and not file.parent.is_dir():
        yield Finding(("metrics", "file"), f"there is no directory {file.parent}")
