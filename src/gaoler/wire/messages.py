"""What requests and replies of `org.gaoler` carry, typed. Only the daemon imports this: the cli must start fast.

Unknown keys, wrong types and values out of bounds are refused, all mistakes at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=300)]
"""A name as the caller wrote it; `machines.names` says which are good."""
Text = Annotated[str, Field(max_length=4096)]
Amount = Annotated[int, Field(ge=0, lt=1 << 63)]
"""As the kernel counts; what makes sense is for `machines.request` to say."""


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# what replies carry


class Shared(Message):
    """With whom a machine is shared: as whom they may run commands, and until when."""

    user: str
    access: Literal["root", "user"]
    until: float | None
    home: bool
    """Also while the owner's home directory is in it."""


class Info(Message):
    """A machine as `gaol info --json` shows it. Times are seconds since the epoch, sizes bytes."""

    name: str
    owner: str
    """`#UID` where that account has gone."""
    gone: str | None
    """What that account was called."""
    state: Literal["starting", "ready", "running", "frozen", "stopping", "stopped", "failed", "asleep"]
    missing: list[str]
    base: str
    generation: str | None
    kernel: str | None
    address: str | None
    address6: str | None
    mac: str | None
    memory: int
    host_memory: int
    cpus: float
    disk: int | None
    disk_used: int | None
    ttl: int | None
    """Seconds that it may run; None for as long as it likes."""
    created: float
    started: float | None
    expires: float | None
    pid: int | None
    console: str
    init: str
    mode: str
    home: bool
    network: bool
    desktop: bool
    """Whether there is a desktop in it, to be started."""
    reason: str | None
    killed: str | None
    """The program that was killed inside last, since its memory was full."""
    newer: str | None
    """The generation that its base has by now, where that is a newer one."""
    autostart: bool
    """Whether it starts with the host."""
    snapshots: list[str]
    shares: list[Shared]
    access: Literal["root", "user"] | None
    """As whom the caller may run commands in a machine that somebody shares with them; None for one's own."""


class SnapshotInfo(Message):
    """A snapshot as `gaol snapshot NAME --list` shows it."""

    tag: str
    taken: float
    held: int | None
    """Bytes that only it holds still; None where the store does not count them (simple quotas charge them to the machine)."""
    memory: bool
    """Whether it has what ran in the machine, which `restore` goes on with."""


class Removed(Message):
    """A machine that was removed and can be had back, as `gaol ls --removed` shows it."""

    name: str
    id: str
    """What tells it from others of that name."""
    base: str
    generation: str | None
    removed: float
    until: float
    held: int | None
    """Bytes, which count as its owner's; None where nothing counts them."""
    snapshots: list[str]


class Difference(Message):
    """One line of `gaol diff`: a name that is not what it was. A name that isn't text has escapes in it, as in Python."""

    path: str
    change: Literal["added", "changed", "removed"]
    kind: Literal["file", "directory", "link", "pipe", "socket", "device", "other"]
    size: int | None
    """Bytes of a file as it is now."""
    was: int | None
    """Bytes of a file as it was."""
    how: list[str]
    """What has changed of it: content, target, device, mode, owner."""


class Usage(Message):
    """What a running machine uses now: bytes of memory, seconds of processor time since its start."""

    name: str
    owner: str
    memory: int
    memory_limit: int
    cpu_seconds: float
    tasks: int
    uptime: float


class Defaults(Message):
    """What machines of a base get where nothing is said; None: as the configuration has it. Bytes and seconds."""

    memory: int | None
    cpus: float | None
    ttl: int | None
    home: bool | None
    network: bool | None
    welcome: str
    """Told in a machine's first shell; "" for nothing."""


class Base(Message):
    """A base as `gaol base ls` shows it."""

    name: str
    generation: str | None
    source: str | None
    created: float | None
    machines: int
    files: int | None = None
    size: int | None = None
    """Bytes in the files of the current generation."""
    moved_files: int | None = None
    moved_bytes: int | None = None
    """By the sync that made it."""
    interval: int | None = None
    """Seconds between syncs; None: by hand."""
    held: bool = False
    """Rolled back: left alone until somebody syncs it."""
    syncing: bool = False
    synced: float | None = None
    """When the last sync ended."""
    result: str | None = None
    """How: `new`, `unchanged` or `failed`; `unfinished` for a base that was never made."""
    seconds: float | None = None
    """How long it took."""
    reason: str | None = None
    good: float | None = None
    """When the last sync ended that did not fail."""
    failures: int = 0
    """Syncs that have failed since."""
    lacks: list[str] = []
    """What machines from it would like and do without."""
    desktop: bool = False
    """Whether machines from it have a desktop."""
    defaults: Defaults | None = None
    """None where it is not made by gaoler, or is not whole yet."""


class Standing(Message):
    """A machine that was cloned from a base, for whoever may change that."""

    owner: str
    name: str
    generation: str | None
    state: str


class Generation(Message):
    """A generation of a base. Sizes in bytes; what was moved is against the one before, None where it is not known."""

    generation: str
    current: bool
    created: float
    source: str
    machines: int
    files: int
    size: int
    moved_files: int | None
    moved_bytes: int | None


class Kernel(Message):
    version: str
    hash: str
    path: str
    default: bool


class Store(Message):
    path: str
    source: str
    """The device or image that it is on."""
    configured: str
    """The one that the configuration names."""
    total: int
    free: int
    machines: int
    bases: int


class Drain(Message):
    """Why nothing starts on this host now, and in how many seconds nothing is to run any more."""

    left: float
    who: str
    why: str
    stop: bool
    """Whether machines are stopped then, rather than put to sleep."""


class Check(Message):
    """One line of `gaol doctor`."""

    name: str
    good: bool
    found: str
    hint: str


# what requests carry


class Spec(Message):
    """What a new machine is to be; what is not said comes from its base, or the configuration."""

    base: Name | None = None
    kernel: Name | None = None
    memory: Amount | None = None
    cpus: float | None = None
    disk: Amount | None = None
    ttl: Amount | None = None
    init: Literal["startenv", "systemd"] | None = None
    mode: Literal["seccomp", "ptrace"] | None = None
    home: bool | None = None
    network: bool | None = None


class Restored(Message):
    """A machine that is to be made of a backup. `record` is what the backup has of it."""

    owner: Name
    name: Name
    record: Annotated[str, Field(max_length=1 << 16)]
    tree: Name
    snapshots: Annotated[dict[str, str], Field(max_length=1024)] = {}
    given: bool = False
    """To whoever has that name now, whosever it was."""


class Terminal(Message):
    rows: Annotated[int, Field(ge=0, le=65535)]
    columns: Annotated[int, Field(ge=0, le=65535)]


class Command(Message):
    """What to run inside. No arguments: the user's shell, as a login shell when `login` says so."""

    arguments: list[str] = []
    """As many as fit in a message; what is more than execve(2) takes inside fails there, as anywhere."""
    user: Name = "root"
    login: bool = False
    directory: Text | None = None
    environment: Annotated[dict[str, str], Field(max_length=256)] = {}
    terminal: Terminal | None = None
    umask: Annotated[int, Field(ge=0, le=0o777)] = 0o22
