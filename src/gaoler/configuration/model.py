"""What the administrator has decided: /etc/gaoler/gaoler.toml, checked whole before anything starts.

Every setting stands here once, with its meaning; the reference and the sample file are made from this.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from gaoler.errors import GaolerError
from gaoler.store.names import base_name
from gaoler.units import duration, size


def _converted(convert: Any) -> Any:
    def apply(value: Any) -> Any:
        try:
            return convert(value) if isinstance(value, str) else value
        except GaolerError as error:
            raise ValueError(str(error)) from None

    apply.__name__ = convert.__name__  # by which its default is told as people write it (text.py)
    return BeforeValidator(apply)


Size = Annotated[int, _converted(size), Field(ge=0, lt=1 << 63)]
Duration = Annotated[int, _converted(duration), Field(ge=0, lt=1 << 63)]


_PORT = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """To Python true is 1."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError(f"can't be {str(value).lower()}")
        return value


class Daemon(Section):
    runtime: Path = Field(Path("/run/gaoler"), description="where sockets and the state of running machines are kept")
    socket: Path | None = Field(None, description="where the daemon listens (default: gaoler.sock in runtime)")
    prefix: str = Field(
        "gaol",
        pattern=r"^[a-z][a-z0-9]{0,5}$",
        json_schema_extra={"form": "a letter and at most five more letters or digits, all small"},
        description="begins the names of TAPs, cgroups, filters",
    )
    admin_group: str = Field("gaoler-admin", description="whose members see and manage all machines, bases and kernels")
    cache: Path = Field(Path("/var/cache/gaoler"), description="built kernels and fetched sources")


class Store(Section):
    path: Path = Field(Path("/uml"), description="where the btrfs file system is mounted")
    device: Path | None = Field(None, description="the block device it is on; without one, a sparse image file")
    image: Path = Field(Path("/var/lib/gaoler/store.img"), description="that image file")
    size: Size = Field(64 << 30, description="how large the image may grow")
    quotas: Literal["simple", "full", "off"] = Field(
        "simple",
        description="what limits machines' disks: btrfs simple quotas (Linux 6.7), full ones (any Linux, but each end of a "
        "machine then costs most of a second of processor time), or nothing",
    )


class Network(Section):
    mode: Literal["private", "bridge", "none"] = Field(
        "private", description="private: a bridge of gaoler's own, routed; bridge: machines join a bridge on the LAN"
    )
    bridge: str = Field(
        "gaoler0",
        pattern=r"^[a-zA-Z0-9_.-]{1,15}$",
        json_schema_extra={"form": "the name of an interface, of 15 letters, digits, dots or dashes at most"},
        description="the bridge that machines are plugged in",
    )
    subnet: ipaddress.IPv4Network = Field(ipaddress.IPv4Network("10.83.0.0/20"), description="private: machines' addresses")
    subnet6: ipaddress.IPv6Network | None = Field(
        ipaddress.IPv6Network("fd67:616f:6c00::/64"), description='private: machines\' IPv6 addresses ("": none)'
    )
    domain: str = Field(
        "gaol",
        pattern=r"^[a-z0-9.-]{1,60}$",
        json_schema_extra={"form": "a DNS name in small letters"},
        description="private: the DNS domain of machines",
    )
    masquerade: bool | None = Field(
        None,
        description="private: true hides machines behind the host's address (NAT), and nobody beyond this host reaches them; "
        "false never does; unset, they reach out as the host (but with proxy_arp), and are reached as themselves where the LAN "
        "routes the subnet here",
    )
    proxy_arp: str = Field("", description="private: the LAN's interface, to answer ARP for machines there")
    isolate: bool = Field(False, description="machines can't reach each other")
    packages: str = Field(
        "",
        pattern=rf"^(http://[a-zA-Z0-9.-]+:{_PORT})?$",
        json_schema_extra={"form": "http://HOST:PORT, or empty"},
        description="a cache of Debian packages (apt-cacher-ng), http://HOST:PORT as machines reach it; their apt takes it while "
        "it answers",
    )

    @field_validator("subnet6", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("subnet")
    @classmethod
    def _room(cls, value: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
        if value.num_addresses < 32:
            raise ValueError("a subnet needs 32 addresses at least")
        return value


class Machines(Section):
    base: str = Field("debian", description="the base of machines that name none")
    kernel: str = Field("", description="the kernel of machines that name none (default: the newest one)")
    memory: Size = Field(512 << 20, description="memory of machines that say nothing")
    cpus: float = Field(1.0, gt=0, description="processors' worth of time")
    mode: Literal["seccomp", "ptrace"] = Field("seccomp", description="how programs inside are held")
    all_memory: Size | None = Field(
        None, description="memory of all machines together (default: the host's, less an eighth, and less 512M at least)"
    )
    overcommit: float = Field(
        8.0,
        gt=0,
        description="how many times all_memory machines that run at once may be promised: a start beyond it is refused. One that "
        "is idle takes a twentieth of what it may (1: nobody is ever ended for what others do)",
    )
    all_pids: int | None = Field(
        None, ge=64, description="processes and threads of all machines together (default: half of what the host can have)"
    )
    all_disk: Size | None = Field(
        None, description="what all machines' files may take together (default: fifteen sixteenths of the store)"
    )
    removed: Duration = Field(
        86400,
        description="how long machines that were removed can be had back, if room is not short before (0: not at all)",
    )
    orphans: Duration = Field(
        0,
        description="how long machines are kept whose owner's account has gone, and that nobody was given (0: until an "
        "administrator removes them)",
    )
    deadline: Duration = Field(15, description="how long up waits for a machine to be ready")
    grace: Duration = Field(10, description="how long down waits for a machine's programs to end")
    ahead: Duration = Field(
        300,
        description="how long after a run or up the same owner's next throw-away machine waits, started already, which takes "
        "some 35 MB; it makes way where memory or the limit of machines is reached; other than 0, an owner's further machines of "
        "a kind are restored from memory, some 12 MB of their quota (0: neither)",
    )


class Grant(Section):
    """Of one user or group: what differs from the general limits."""

    machines: int | None = Field(None, ge=0)
    bases: int | None = Field(None, ge=0)
    autostart: int | None = Field(None, ge=0)
    memory: Size | None = None
    cpus: float | None = Field(None, gt=0)
    disk: Size | None = None
    pids: int | None = Field(None, ge=64)
    owner_memory: Size | None = None
    owner_pids: int | None = Field(None, ge=0)
    ttl: Duration | None = None
    idle: Duration | None = None
    weight: int | None = Field(None, ge=1, le=10000)


class Limits(Section):
    machines: int = Field(
        8,
        ge=0,
        description="machines a user may have; accounts of services (uids below UID_MIN of login.defs, nobody) have none unless "
        "they, or a group of theirs, are granted some",
    )
    bases: int = Field(0, ge=0, description="bases a user may publish from machines of his own; administrators: any number")
    autostart: int = Field(2, ge=0, description="machines of a user that may start with the host (gaol set NAME autostart=yes)")
    memory: Size = Field(4 << 30, description="memory of one machine")
    cpus: float = Field(4.0, gt=0, description="processors' worth of one machine")
    disk: Size = Field(
        16 << 30,
        description="what a machine's files may take (0: no limit); a user's machines and snapshots together may take this "
        "times `machines`; needs `store.quotas`",
    )
    pids: int = Field(4096, ge=64, description="processes and threads of one machine on the host")
    owner_memory: Size = Field(
        0,
        description="memory of all machines of a user together: a start beyond it is refused (0: half of what all users' may "
        "have, machines.all_memory, and as many times that may be promised as machines.overcommit says)",
    )
    owner_pids: int = Field(
        0, ge=0, description="processes and threads of all machines of a user together (0: half of machines.all_pids)"
    )
    ttl: Duration = Field(0, description="how long a machine may run (0: for ever)")
    idle: Duration = Field(0, description="a machine that does nothing for so long is put to sleep, or stopped (0: never)")
    idle_action: Literal["sleep", "stop"] = Field(
        "sleep",
        description="what becomes of it. One that sleeps keeps its memory on disk, and goes on when it is used; one that can't "
        "sleep is stopped",
    )
    weight: int = Field(
        100,
        ge=1,
        le=10000,
        description="how much of busy processors all machines of a user get, beside another user's; with control groups of "
        "version 2 of the disk, too, where it has a scheduler that knows of weights (bfq, io.cost)",
    )
    user: dict[str, Grant] = Field({}, description="of one user: [limits.user.NAME], with the keys above")
    group: dict[str, Grant] = Field({}, description="of a group's members: [limits.group.NAME], with the keys above")


_INTERVALS = {"never": 0, "hourly": 3600, "daily": 86400, "weekly": 7 * 86400}


def _interval(text: str) -> int:
    return _INTERVALS[text] if text in _INTERVALS else duration(text)


class Masters(Section):
    identity: Path = Field(Path("/etc/gaoler/master_key"), description="the private key for masters reached by ssh")
    known_hosts: Path = Field(Path("/etc/gaoler/known_hosts"), description="their host keys; any other is refused")
    password: Path = Field(Path("/etc/gaoler/rsync_password"), description="the password for rsync modules that want one")


class Registries(Section):
    credentials: Path = Field(Path("/etc/gaoler/registries.json"), description="as skopeo login --authfile writes it")
    certificates: Path = Field(
        Path("/etc/containers/certs.d"), description="CAs that this host does not trust otherwise: HOST:PORT/ca.crt in it"
    )
    insecure: list[str] = Field(
        [], description="registries, as HOST:PORT, that are believed without a certificate, and without TLS if they have none"
    )


class Base(Section):
    sync: Annotated[int, _converted(_interval), Field(ge=0)] = Field(
        0, description="how often it is brought up to date: never, hourly, daily, weekly or a duration"
    )
    keep: int = Field(2, ge=1, description="generations that are kept beside those that machines came from")
    shrink: int = Field(
        50, ge=0, le=100, description="a sync that would take away more than this percentage of files or bytes is refused"
    )


class Metrics(Section):
    file: Path | None = Field(
        None, description="where metrics for Prometheus are written every 15 s, say in node_exporter's textfile directory"
    )


class Audit(Section):
    directory: Path | None = Field(
        None, description="where it is noted who did what to whose machine, a file a day (default: audit beside store.image)"
    )
    keep: Duration = Field(90 * 86400, description="how long that is kept; 1 GiB in all at most")


class Web(Section):
    listen: str = Field(
        "127.0.0.1:8443",
        pattern=rf"^(|[^\s/]+:{_PORT})$",
        json_schema_extra={"form": "ADDRESS:PORT, or empty"},
        description="where the page for people is served, ADDRESS:PORT; 0.0.0.0:8443 for everybody, nothing for nobody",
    )
    address: str = Field(
        "",
        pattern=r"^(|https?://[^\s/]+)$",
        json_schema_extra={"form": "https://HOST or https://HOST:PORT"},
        description="the page's address as people type it (default: that)",
    )
    certificate: Path | None = Field(None, description="of the page, as PEM with its chain (default: one of gaoler's own)")
    key: Path | None = Field(None, description="the certificate's private key")
    proxy: bool = Field(
        False, description="a proxy in front of the page does TLS, and tells in X-Forwarded-For who asks: plain HTTP then"
    )
    idle: Duration = Field(12 * 3600, ge=60, description="a login ends when it wasn't used for so long; an open page uses it")
    lifetime: Duration = Field(7 * 86400, ge=60, description="a login ends after that")
    account: str = Field("gaoler-web", description="who serves the page: an account that may do nothing else")


class Ids(Section):
    first: int = Field(1 << 30, ge=1 << 17, description="where the range of host ids that machines are given begins")
    count: int = Field(1 << 30, ge=1 << 17, description="how many there are; a machine takes 131072")


class Configuration(Section):
    """All of it. Each section is one value; those that can change while a daemon runs are replaced (holding.py)."""

    model_config = ConfigDict(frozen=False)

    daemon: Daemon = Daemon()
    store: Store = Store()
    network: Network = Network()
    machines: Machines = Machines()
    limits: Limits = Limits()
    ids: Ids = Ids()
    masters: Masters = Masters()
    registries: Registries = Registries()
    metrics: Metrics = Metrics()
    audit: Audit = Audit()
    web: Web = Web()
    base: dict[str, Base] = {}

    @field_validator("base")
    @classmethod
    def _names(cls, value: dict[str, Base]) -> dict[str, Base]:
        for name in value:
            try:
                base_name(name)
            except GaolerError as error:
                raise ValueError(str(error)) from None
        return value

    def of_base(self, name: str) -> Base:
        return self.base.get(name, Base())

    @property
    def audits(self) -> Path:
        return self.audit.directory or self.store.image.parent / "audit"

    @property
    def socket(self) -> Path:
        return self.daemon.socket or self.daemon.runtime / "gaoler.sock"
