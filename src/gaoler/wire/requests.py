"""The requests of `org.gaoler`: class `Up` is the method `org.gaoler.Up`. `methods` says what each answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gaoler.wire.messages import Amount, Command, Message, Name, Restored, Spec, Text
from gaoler.wire.which import Which


class Request(Message):
    """What a caller asks for. The names of the classes with an entry in `methods` are those of the methods."""


class OfMachine(Request):
    """Ask for a machine: the caller's, or an administrator's `OWNER/NAME`; without a name the standard one."""

    name: Name | None = None
    owner: Name | None = None
    """Whose, where `name` does not say so. Administrators may name others."""

    @property
    def which(self) -> Which:
        return Which.read(self.name, self.owner)


class OfNamed(OfMachine):
    """Ask for a machine that must be named."""

    name: Name


class OfBase(Request):
    """Ask for a change of a base."""

    name: Name | None = None


class OfSome(Request):
    """Ask for the caller's machines; with `all` for everybody's, as administrators may."""

    all: bool = False


class Run(Request):
    """Make a fresh machine, run one command in it, throw all away when the caller ends its side of the connection.

    The first reply carries descriptors as `Exec` does; the last one comes when nothing of the machine is left.
    """

    command: Command
    spec: Spec = Spec()


class Up(OfMachine):
    """Create a machine if need be, start it, wait until it is ready."""

    spec: Spec = Spec()


class Exec(OfMachine):
    """Run a command. The reply's descriptors: control, then stdin, stdout, stderr (with a terminal: control, terminal)."""

    command: Command


class Rescue(OfMachine):
    """Run a command, as root, in a fresh machine of a stopped one's base, with the files of that one at /mnt, until it ends.

    Replies and descriptors are those of `Run`.
    """

    command: Command


class List(OfSome):
    """Show the machines there are, those that others share with the caller among them where `shared` says so."""

    shared: bool = False


class Inspect(OfMachine):
    """Show all about one machine."""


class Top(OfSome):
    """Show what running machines use; with `pid`, the one that this process of the host is of."""

    pid: Annotated[int, Field(gt=0, lt=1 << 31)] | None = None


class Log(OfNamed):
    """Show what the console said, safe to print."""


class Down(OfNamed):
    """Stop a machine, its programs first unless `force`; its files stay."""

    force: bool = False


class Sleep(OfNamed):
    """Keep a machine's memory on disk and give everything else back; it goes on when it is used next."""


class Freeze(OfNamed):
    """Have a machine's programs stand still, just as they are, until it is thawed."""


class Thaw(OfNamed):
    """Let a machine's programs go on; nothing where they do."""


class Remove(OfNamed):
    """Stop a machine and throw it away, with its snapshots."""

    force: bool = False
    now: bool = False
    """For good: it can't be had back."""


class RemovedList(OfMachine):
    """Show the machines that were removed and can be had back."""


class RemovedRestore(OfMachine):
    """Have a removed machine back, stopped: the newest of that name, or the one with that identity, or the newest of all."""

    new: Name | None = None
    """What it is to be called, if not as it was."""


class RemovedDrop(OfNamed):
    """Let a removed machine go for good."""


class Wait(OfNamed):
    """Wait until a machine is ready or stopped, `timeout` seconds at most."""

    until: Literal["ready", "stopped"]
    timeout: Annotated[float, Field(gt=0, le=10 * 365 * 86400)] | None = None


class Ssh(OfMachine):
    """Say where the machine's sshd is, its host keys, and a private key of its owner's that it lets in."""


class SshConnect(OfMachine):
    """Have an sshd for this connection alone, which lets in the private halves of `keys`. Descriptors as of `Exec`."""

    keys: Annotated[
        list[Annotated[str, Field(max_length=4000, pattern=r"^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}$")]],
        Field(min_length=1, max_length=32),
    ]
    """Lines of authorized_keys, without options and comments."""


class Snapshot(OfNamed):
    """Remember a machine's files as they are now, and with `memory` what runs in it."""

    tag: Name | None = None
    memory: bool = False


class SnapshotList(OfNamed):
    """Show a machine's snapshots, oldest first."""


class SnapshotRemove(OfNamed):
    """Forget a snapshot."""

    tag: Name


class Restore(OfNamed):
    """Put a stopped machine's files back as a snapshot has them; one with memory goes on, unless `files` alone are wanted."""

    tag: Name
    files: bool = False


class Diff(OfNamed):
    """Show what has changed in a machine's files since a snapshot, or without one since it was cloned from its base."""

    tag: Name | None = None
    patch: bool = False


class Rebase(OfNamed):
    """Move a stopped machine over to the newest generation of its base, with what was changed in it."""


class Clone(OfNamed):
    """Make a machine of the same owner, with the files of this one as they are now.

    With `running` the new one runs, and goes on from the same instant as this one, under its own name and address.
    """

    new: Name
    running: bool = False


class Export(OfNamed):
    """Write a machine's files, as they are now, to an archive: the first reply has a descriptor to read it from."""


class Import(OfMachine):
    """Make a machine, stopped, of such an archive: the first reply has a descriptor to write it to.

    Without a name it is called what the archive says.
    """


class Set(OfNamed):
    """Change what a machine was made with: `cpus`, `disk`, `ttl` and `autostart` at once, the rest at its next start."""

    memory: int | None = None
    cpus: float | None = None
    disk: int | None = None
    """0: as much as there is."""
    ttl: int | None = None
    """0: for ever."""
    extend: Annotated[int, Field(gt=0)] | None = None
    """Seconds that it may run longer than it might."""
    kernel: Name | None = None
    init: Literal["startenv", "systemd"] | None = None
    mode: Literal["seccomp", "ptrace"] | None = None
    home: bool | None = None
    network: bool | None = None
    autostart: bool | None = None
    """Whether it starts with the host."""


class Share(OfNamed):
    """Let another user run commands in a machine: as anybody inside, or as an account of their own."""

    user: Name
    access: Literal["root", "user"] = "root"
    ends: float | None = None
    """When that is over, in seconds since the epoch; without it, with the machine."""
    home: bool = False
    """Even while the owner's home directory is in it."""


class Unshare(OfNamed):
    """Let another user in no longer, and end their sessions."""

    user: Name


class Rename(OfNamed):
    """Give a stopped machine another name."""

    new: Name


class Give(OfNamed):
    """Make a stopped machine another user's, with its snapshots and without the former owner's home and keys."""

    to: Name
    new: Name | None = None
    """What it is called from then on."""


class Publish(OfNamed):
    """Make a machine's files, as they are now, a base that others can clone."""

    base: Name
    keep: list[Text] = Field([], max_length=64)
    """Absolute paths to take along although they may be secrets: root's files, keys, that the machine's base did not have."""


class BaseList(Request):
    """Show the trees that machines are cloned from."""


class BaseAdd(Request):
    """Make a base: a tree that machines are cloned from."""

    name: Name
    source: Literal["rsync", "pacstrap", "mmdebstrap", "oci", "tar", "directory", "machine"]
    argument: Text | None = None
    mirror: Text | None = None
    keyring: Text | None = None
    replace: bool = False
    """Even if there is a base of that name from another source."""


class BaseInspect(Request):
    """Show a base with its history."""

    name: Name


class BaseSync(OfBase):
    """Bring a base up to date; without a name, all that are due by their interval."""

    shrink: bool = False
    """Even when it would take away more than the configuration allows."""


class BaseRollback(OfBase):
    """Make an older generation the current one; without a number, the one before."""

    name: Name
    generation: Name | None = None


class BaseSet(OfBase):
    """Say what machines of a base get where whoever makes one says nothing, and what is told in the first shell."""

    name: Name
    memory: Amount | None = None
    cpus: float | None = None
    ttl: Amount | None = None
    home: bool | None = None
    network: bool | None = None
    welcome: Text | None = None
    """"" for nothing."""
    unset: list[Literal["memory", "cpus", "ttl", "home", "network"]] = Field([], max_length=5)
    """As the configuration has it again."""


class BaseRemove(OfBase):
    """Remove a base with its generations. Machines keep their files."""

    name: Name
    default: bool = False
    """Even the one of machines that name none."""


class KernelBuild(Request):
    """Fetch, patch and build the kernel, or take it from the cache."""

    series: Name | None = None


class KernelList(Request):
    """Show the kernels that machines run."""


class KernelRemove(Request):
    """Remove a kernel that no machine uses."""

    name: Name


class StoreInspect(Request):
    """Show the file system that holds bases and machines."""


class StoreBackup(OfNamed):
    """Send a machine's files, and those of its base, as streams of btrfs send: a reply with a descriptor to read each from.

    A stream is whole when the next reply comes. `target` names the place that keeps them, `kept` the trees that are there.
    """

    target: Name
    kept: Annotated[list[Name], Field(max_length=100_000)]
    full: bool = False
    """Not as what has changed since the last one."""
    snapshots: bool = False
    """With the machine's snapshots."""


class StoreRestore(Request):
    """Make machines of streams that were sent: a reply with a descriptor to write each to, where it is not here already.

    `trees` are the UUIDs of all that the machines are made of, each after the one that it builds on.
    """

    machines: Annotated[list[Restored], Field(max_length=10_000)]
    trees: Annotated[list[Name], Field(max_length=100_000)]


class Metrics(Request):
    """Show what is counted and measured, in the text format of Prometheus."""


class Drain(Request):
    """Have no machine start any more, tell whoever works in one, and in the end put all to sleep, or `stop` them."""

    left: Annotated[float, Field(ge=0, le=365 * 86400)]
    """Seconds until nothing is to run any more."""
    why: Annotated[str, Field(max_length=200)] = ""
    stop: bool = False


class DrainEnd(Request):
    """Let machines start again; those that start with the host do at once."""


class DrainInspect(Request):
    """Show whether this host is drained, and what runs still."""


class Doctor(Request):
    """Check the host; say what is missing and how to mend it."""
