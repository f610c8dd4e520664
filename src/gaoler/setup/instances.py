"""Installations of this host: several may stand side by side, and none takes anything of another's.

Each is written down in /var/lib/gaoler/installations.json by `make up`, with what it takes of the host. What would overlap is
refused before a store or a network is made, and `make down` and `make purge` touch only what is their own.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gaoler import files
from gaoler.errors import Failed, NotAllowed
from gaoler.setup import unit_files
from gaoler.setup.facts import Facts
from gaoler.setup.settings import Settings

REGISTER = Path("/var/lib/gaoler/installations.json")


@dataclass(frozen=True)
class Instance:
    """What one installation takes. Two may share the cache, the group of administrators and the page's account."""

    prefix: str
    configuration: str
    cache: str = ""
    """CACHE, with which `make up` was called."""
    store: str = ""
    state: str = ""
    """The image's directory, which has more than the image."""
    device: str = ""
    runtime: str = ""
    socket: str = ""
    names: str = ""
    """`daemon.prefix`: of TAPs, control groups, filters."""
    bridge: str = ""
    subnet: str = ""
    subnet6: str = ""
    ids: tuple[int, int] | tuple[()] = ()
    """The first one, and how many."""
    web: str = ""
    group: str = ""
    account: str = ""

    @classmethod
    def of(cls, settings: Settings, facts: Facts) -> Instance:
        return cls(
            prefix=str(settings.prefix.resolve()),
            configuration=str(settings.configuration.resolve()),
            cache=str(settings.cache.resolve()),
            store=str(facts.store),
            state=str(facts.image.parent),
            device=str(facts.device or ""),
            runtime=str(facts.runtime),
            socket=str(facts.socket),
            names=facts.names,
            bridge=facts.bridge,
            subnet=facts.subnet,
            subnet6=facts.subnet6,
            ids=facts.ids,
            web=facts.web_listen,
            group=facts.admin_group,
            account=facts.web_account,
        )

    @property
    def units(self) -> str:
        """What the names of its units of systemd end in; nothing for the standard installation."""
        return unit_files.of_prefix(Path(self.prefix)) if self.prefix else ""

    def clashes(self, other: Instance) -> list[str]:
        """What both would take, as settings."""
        found = [
            f"{setting} = {json.dumps(getattr(self, key))}"
            for key, setting in _SETTINGS.items()
            if getattr(self, key) and getattr(self, key) == getattr(other, key)
        ]
        if self.units and self.units == other.units:
            found.append(f"PREFIX={self.prefix}: both would have the unit gaoler@{self.units}.service")
        if self.state and self.state == other.state:
            found.append(f"store.image in {self.state}, where more is kept than the image")
        if self.names and other.names and (self.names.startswith(other.names) or other.names.startswith(self.names)):
            found.append(f"daemon.prefix = {json.dumps(self.names)}, and names that begin with {json.dumps(other.names)}")
        for key in ("subnet", "subnet6"):
            mine, theirs = getattr(self, key), getattr(other, key)
            if mine and theirs and ipaddress.ip_network(mine).overlaps(ipaddress.ip_network(theirs)):
                found.append(f"network.{key} = {json.dumps(mine)}, which overlaps {theirs}")
        if self.ids and other.ids and self.ids[0] < sum(other.ids) and other.ids[0] < sum(self.ids):
            found.append(f"ids.first = {self.ids[0]}, whose range overlaps the one from {other.ids[0]} on")
        return found


_SETTINGS = {
    "configuration": "GAOLER_CONFIG",
    "store": "store.path",
    "device": "store.device",
    "runtime": "daemon.runtime",
    "socket": "daemon.socket",
    "bridge": "network.bridge",
    "web": "web.listen",
}


def enter(settings: Settings, facts: Facts, register: Path = REGISTER) -> str:
    """Write this installation down, or find it there. Raises NotAllowed where another one has what it would take."""
    own = Instance.of(settings, facts)
    with _register(register) as known:
        for other in others(known, settings):
            if clashes := own.clashes(other):
                raise NotAllowed(
                    f"the installation in {other.prefix} has what this one would take",
                    "; ".join(clashes),
                    f"sudo editor {settings.configuration}",
                )
        known[:] = [*others(known, settings), own]
    return "the only one on this host" if len(known) == 1 else f"one of {len(known)} on this host"


def may(settings: Settings, to: str, register: Path = REGISTER) -> None:
    """Raises NotAllowed where PREFIX, GAOLER_CONFIG and CACHE are not of one installation: what they name is another's, then."""
    prefix, configuration, cache = (str(path.resolve()) for path in (settings.prefix, settings.configuration, settings.cache))
    for one in read(register):
        apart = (one.prefix == prefix) != (one.configuration == configuration)
        elsewhere = one.prefix == prefix and one.cache and one.cache != cache and to != "up"  # which may move it
        if apart or elsewhere:
            words = f"PREFIX={one.prefix} GAOLER_CONFIG={one.configuration} CACHE={one.cache or cache}"
            raise NotAllowed(f"can't {to} half of an installation", f"there is one with {words}", f"sudo make {to} {words}")


def forget(settings: Settings, register: Path = REGISTER) -> None:
    """Take an installation that has been removed out of the register."""
    if not register.exists():
        return
    with _register(register) as known:
        known[:] = others(known, settings)
    if not known:
        register.unlink(missing_ok=True)
        with suppress(OSError):  # the first one's store is beside it
            register.parent.rmdir()


def others(known: list[Instance], settings: Settings) -> list[Instance]:
    """Those that are not this one, and still there."""
    own = str(settings.prefix.resolve())
    return [one for one in known if one.prefix != own and (Path(one.prefix) / "lib/gaoler/current").exists()]


def is_entered(settings: Settings, facts: Facts, register: Path = REGISTER) -> bool:
    return Instance.of(settings, facts) in read(register)


def read(register: Path = REGISTER) -> list[Instance]:
    """Those that are written down, and the one in the standard place, which may be older than this. Raises Failed."""
    try:
        known = [_decoded(one) for one in json.loads(register.read_bytes())]
    except FileNotFoundError:
        known = []
    except (OSError, ValueError, TypeError, AttributeError) as error:  # taken for empty, it would be written back so
        what = f"can't read {register}, where installations are written down"
        raise Failed(what, str(error), f"sudo editor {register}") from None
    standard = Settings.of({})
    if standard.current.exists() and not any(one.prefix == str(standard.prefix) for one in known):
        known.append(Instance(str(standard.prefix), str(standard.configuration), str(standard.cache)))
    return known


def _decoded(raw: dict[str, object]) -> Instance:
    names = {field.name for field in fields(Instance)}
    given = {key: str(value) for key, value in raw.items() if key in names and key != "ids"}
    ids = raw.get("ids")
    return Instance(**given, ids=(int(ids[0]), int(ids[1])) if isinstance(ids, list) and len(ids) == 2 else ())


@contextmanager
def _register(path: Path) -> Iterator[list[Instance]]:
    """What is in it, to be changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read(path)
        yield known
        files.replace(path, json.dumps([asdict(one) for one in known], indent=1).encode(), mode=0o644, durable=True)
