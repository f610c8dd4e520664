"""A method of the client for each of the interface. Made by `python -m gaoler.wire.client_source`: not to be edited."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal, TypeAlias

    Progress: TypeAlias = Callable[[dict[str, Any]], None]
    """Is told of each step."""
    Shared: TypeAlias = dict[str, Any]
    Info: TypeAlias = dict[str, Any]
    SnapshotInfo: TypeAlias = dict[str, Any]
    Removed: TypeAlias = dict[str, Any]
    Difference: TypeAlias = dict[str, Any]
    Usage: TypeAlias = dict[str, Any]
    Defaults: TypeAlias = dict[str, Any]
    Base: TypeAlias = dict[str, Any]
    Standing: TypeAlias = dict[str, Any]
    Generation: TypeAlias = dict[str, Any]
    Kernel: TypeAlias = dict[str, Any]
    Store: TypeAlias = dict[str, Any]
    Drain: TypeAlias = dict[str, Any]
    Check: TypeAlias = dict[str, Any]
    Restored: TypeAlias = dict[str, Any]
    Terminal: TypeAlias = dict[str, Any]


class Methods:
    """Every method raises GaolerError, and can refuse: who may is said at each."""

    def call(self, method: str, progress: Progress | None = None, /, **parameters: Any) -> dict[str, Any]:
        """Call and return the last reply; the ones before go to `progress`."""
        raise NotImplementedError

    def replies(self, method: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Call, and yield each reply until the last one."""
        raise NotImplementedError

    def run(
        self,
        arguments: list[str] | None = None,
        user: str = "root",
        login: bool = False,
        directory: str | None = None,
        environment: dict[str, str] | None = None,
        terminal: Terminal | None = None,
        umask: int = 18,
        base: str | None = None,
        kernel: str | None = None,
        memory: int | None = None,
        cpus: float | None = None,
        disk: int | None = None,
        ttl: int | None = None,
        init: Literal["startenv", "systemd"] | None = None,
        mode: Literal["seccomp", "ptrace"] | None = None,
        home: bool | None = None,
        network: bool | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Make a fresh machine, run one command in it, throw all away when the caller ends its side of the connection. Who may: whoever has an account on the host."""
        return self.replies("Run", {"command": _given({"arguments": arguments, "user": user, "login": login, "directory": directory, "environment": environment, "terminal": terminal, "umask": umask}), "spec": _given({"base": base, "kernel": kernel, "memory": memory, "cpus": cpus, "disk": disk, "ttl": ttl, "init": init, "mode": mode, "home": home, "network": network})})

    def up(
        self,
        name: str | None = None,
        progress: Progress | None = None,
        base: str | None = None,
        kernel: str | None = None,
        memory: int | None = None,
        cpus: float | None = None,
        disk: int | None = None,
        ttl: int | None = None,
        init: Literal["startenv", "systemd"] | None = None,
        mode: Literal["seccomp", "ptrace"] | None = None,
        home: bool | None = None,
        network: bool | None = None,
        owner: str | None = None,
    ) -> Info:
        """Create a machine if need be, start it, wait until it is ready. Who may: for oneself; administrators for others."""
        found: Info = self.call("Up", progress, name=name, owner=owner, spec=_given({"base": base, "kernel": kernel, "memory": memory, "cpus": cpus, "disk": disk, "ttl": ttl, "init": init, "mode": mode, "home": home, "network": network}))["machine"]
        return found

    def exec(
        self,
        name: str | None = None,
        arguments: list[str] | None = None,
        user: str = "root",
        login: bool = False,
        directory: str | None = None,
        environment: dict[str, str] | None = None,
        terminal: Terminal | None = None,
        umask: int = 18,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Run a command. The reply's descriptors: control, then stdin, stdout, stderr (with a terminal: control, terminal). Who may: the machine's owner, root, and whoever it is shared with."""
        return self.call("Exec", None, name=name, owner=owner, command=_given({"arguments": arguments, "user": user, "login": login, "directory": directory, "environment": environment, "terminal": terminal, "umask": umask}))

    def rescue(
        self,
        name: str | None = None,
        arguments: list[str] | None = None,
        user: str = "root",
        login: bool = False,
        directory: str | None = None,
        environment: dict[str, str] | None = None,
        terminal: Terminal | None = None,
        umask: int = 18,
        owner: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run a command, as root, in a fresh machine of a stopped one's base, with the files of that one at /mnt, until it ends. Who may: the machine's owner, and root."""
        return self.replies("Rescue", {"name": name, "owner": owner, "command": _given({"arguments": arguments, "user": user, "login": login, "directory": directory, "environment": environment, "terminal": terminal, "umask": umask})})

    def machines(
        self,
        everybody: bool = False,
        shared: bool = False,
    ) -> list[Info]:
        """Show the machines there are, those that others share with the caller among them where `shared` says so. Who may: of one's own machines and those that are shared with one; with all: administrators."""
        found: list[Info] = self.call("List", None, all=everybody, shared=shared)["machines"]
        return found

    def info(
        self,
        name: str | None = None,
        owner: str | None = None,
    ) -> Info:
        """Show all about one machine. Who may: the machine's owner, administrators, and whoever it is shared with."""
        found: Info = self.call("Inspect", None, name=name, owner=owner)["machine"]
        return found

    def top(
        self,
        everybody: bool = False,
        pid: int | None = None,
    ) -> list[Usage]:
        """Show what running machines use; with `pid`, the one that this process of the host is of. Who may: of one's own machines; with all: administrators."""
        found: list[Usage] = self.call("Top", None, all=everybody, pid=pid)["usage"]
        return found

    def log(
        self,
        name: str,
        owner: str | None = None,
    ) -> str:
        """Show what the console said, safe to print. Who may: the machine's owner, and administrators."""
        found: str = self.call("Log", None, name=name, owner=owner)["text"]
        return found

    def down(
        self,
        name: str,
        force: bool = False,
        owner: str | None = None,
    ) -> Info:
        """Stop a machine, its programs first unless `force`; its files stay. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Down", None, name=name, owner=owner, force=force)["machine"]
        return found

    def sleep(
        self,
        name: str,
        owner: str | None = None,
    ) -> Info:
        """Keep a machine's memory on disk and give everything else back; it goes on when it is used next. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Sleep", None, name=name, owner=owner)["machine"]
        return found

    def freeze(
        self,
        name: str,
        owner: str | None = None,
    ) -> Info:
        """Have a machine's programs stand still, just as they are, until it is thawed. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Freeze", None, name=name, owner=owner)["machine"]
        return found

    def thaw(
        self,
        name: str,
        owner: str | None = None,
    ) -> Info:
        """Let a machine's programs go on; nothing where they do. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Thaw", None, name=name, owner=owner)["machine"]
        return found

    def remove(
        self,
        name: str,
        force: bool = False,
        now: bool = False,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Stop a machine and throw it away, with its snapshots. Who may: the machine's owner, and administrators."""
        return self.call("Remove", None, name=name, owner=owner, force=force, now=now)

    def removed_list(
        self,
        name: str | None = None,
        owner: str | None = None,
    ) -> list[Removed]:
        """Show the machines that were removed and can be had back. Who may: for oneself; administrators for others."""
        found: list[Removed] = self.call("RemovedList", None, name=name, owner=owner)["removed"]
        return found

    def removed_restore(
        self,
        name: str | None = None,
        new: str | None = None,
        owner: str | None = None,
    ) -> Info:
        """Have a removed machine back, stopped: the newest of that name, or the one with that identity, or the newest of all. Who may: for oneself; administrators for others."""
        found: Info = self.call("RemovedRestore", None, name=name, owner=owner, new=new)["machine"]
        return found

    def removed_drop(
        self,
        name: str,
        owner: str | None = None,
    ) -> None:
        """Let a removed machine go for good. Who may: for oneself; administrators for others."""
        self.call("RemovedDrop", None, name=name, owner=owner)

    def wait(
        self,
        name: str,
        until: Literal["ready", "stopped"],
        timeout: float | None = None,
        owner: str | None = None,
    ) -> Info:
        """Wait until a machine is ready or stopped, `timeout` seconds at most. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Wait", None, name=name, owner=owner, until=until, timeout=timeout)["machine"]
        return found

    def ssh(
        self,
        name: str | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Say where the machine's sshd is, its host keys, and a private key of its owner's that it lets in. Who may: the machine's owner, and root."""
        return self.call("Ssh", None, name=name, owner=owner)

    def ssh_connect(
        self,
        keys: list[str],
        name: str | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Have an sshd for this connection alone, which lets in the private halves of `keys`. Descriptors as of `Exec`. Who may: the machine's owner, root, and whoever it is shared with."""
        return self.call("SshConnect", None, name=name, owner=owner, keys=keys)

    def snapshot(
        self,
        name: str,
        tag: str | None = None,
        memory: bool = False,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Remember a machine's files as they are now, and with `memory` what runs in it. Who may: the machine's owner, and administrators."""
        return self.call("Snapshot", None, name=name, owner=owner, tag=tag, memory=memory)

    def snapshot_list(
        self,
        name: str,
        owner: str | None = None,
    ) -> list[SnapshotInfo]:
        """Show a machine's snapshots, oldest first. Who may: the machine's owner, and administrators."""
        found: list[SnapshotInfo] = self.call("SnapshotList", None, name=name, owner=owner)["snapshots"]
        return found

    def snapshot_remove(
        self,
        name: str,
        tag: str,
        owner: str | None = None,
    ) -> None:
        """Forget a snapshot. Who may: the machine's owner, and administrators."""
        self.call("SnapshotRemove", None, name=name, owner=owner, tag=tag)

    def restore(
        self,
        name: str,
        tag: str,
        files: bool = False,
        owner: str | None = None,
    ) -> Info:
        """Put a stopped machine's files back as a snapshot has them; one with memory goes on, unless `files` alone are wanted. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Restore", None, name=name, owner=owner, tag=tag, files=files)["machine"]
        return found

    def diff(
        self,
        name: str,
        progress: Progress | None = None,
        tag: str | None = None,
        patch: bool = False,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Show what has changed in a machine's files since a snapshot, or without one since it was cloned from its base. Who may: the machine's owner, and root."""
        return self.call("Diff", progress, name=name, owner=owner, tag=tag, patch=patch)

    def rebase(
        self,
        name: str,
        progress: Progress | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Move a stopped machine over to the newest generation of its base, with what was changed in it. Who may: the machine's owner, and administrators."""
        return self.call("Rebase", progress, name=name, owner=owner)

    def clone(
        self,
        name: str,
        new: str,
        running: bool = False,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Make a machine of the same owner, with the files of this one as they are now. Who may: the machine's owner, and administrators."""
        return self.call("Clone", None, name=name, owner=owner, new=new, running=running)

    def export(
        self,
        name: str,
        progress: Progress | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Write a machine's files, as they are now, to an archive: the first reply has a descriptor to read it from. Who may: the machine's owner, and root."""
        return self.call("Export", progress, name=name, owner=owner)

    def import_(
        self,
        name: str | None = None,
        progress: Progress | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Make a machine, stopped, of such an archive: the first reply has a descriptor to write it to. Who may: for oneself; administrators for others."""
        return self.call("Import", progress, name=name, owner=owner)

    def set(
        self,
        name: str,
        memory: int | None = None,
        cpus: float | None = None,
        disk: int | None = None,
        ttl: int | None = None,
        extend: int | None = None,
        kernel: str | None = None,
        init: Literal["startenv", "systemd"] | None = None,
        mode: Literal["seccomp", "ptrace"] | None = None,
        home: bool | None = None,
        network: bool | None = None,
        autostart: bool | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Change what a machine was made with: `cpus`, `disk`, `ttl` and `autostart` at once, the rest at its next start. Who may: the machine's owner, and administrators."""
        return self.call("Set", None, name=name, owner=owner, memory=memory, cpus=cpus, disk=disk, ttl=ttl, extend=extend, kernel=kernel, init=init, mode=mode, home=home, network=network, autostart=autostart)

    def share(
        self,
        name: str,
        user: str,
        access: Literal["root", "user"] = "root",
        ends: float | None = None,
        home: bool = False,
        owner: str | None = None,
    ) -> Info:
        """Let another user run commands in a machine: as anybody inside, or as an account of their own. Who may: the machine's owner, and root."""
        found: Info = self.call("Share", None, name=name, owner=owner, user=user, access=access, ends=ends, home=home)["machine"]
        return found

    def unshare(
        self,
        name: str,
        user: str,
        owner: str | None = None,
    ) -> Info:
        """Let another user in no longer, and end their sessions. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Unshare", None, name=name, owner=owner, user=user)["machine"]
        return found

    def rename(
        self,
        name: str,
        new: str,
        owner: str | None = None,
    ) -> Info:
        """Give a stopped machine another name. Who may: the machine's owner, and administrators."""
        found: Info = self.call("Rename", None, name=name, owner=owner, new=new)["machine"]
        return found

    def give(
        self,
        name: str,
        to: str,
        new: str | None = None,
        owner: str | None = None,
    ) -> Info:
        """Make a stopped machine another user's, with its snapshots and without the former owner's home and keys. Who may: administrators, of everybody's machines."""
        found: Info = self.call("Give", None, name=name, owner=owner, to=to, new=new)["machine"]
        return found

    def publish(
        self,
        name: str,
        base: str,
        progress: Progress | None = None,
        keep: list[str] | None = None,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Make a machine's files, as they are now, a base that others can clone. Who may: the machine's owner, and administrators."""
        return self.call("Publish", progress, name=name, owner=owner, base=base, keep=keep)

    def base_list(
        self,
    ) -> list[Base]:
        """Show the trees that machines are cloned from. Who may: whoever has an account on the host."""
        found: list[Base] = self.call("BaseList")["bases"]
        return found

    def base_inspect(
        self,
        name: str,
    ) -> dict[str, Any]:
        """Show a base with its history. Who may: whoever has an account on the host."""
        return self.call("BaseInspect", None, name=name)

    def base_add(
        self,
        name: str,
        source: Literal["rsync", "pacstrap", "mmdebstrap", "oci", "tar", "directory", "machine"],
        progress: Progress | None = None,
        argument: str | None = None,
        mirror: str | None = None,
        keyring: str | None = None,
        replace: bool = False,
    ) -> dict[str, Any]:
        """Make a base: a tree that machines are cloned from. Who may: administrators."""
        return self.call("BaseAdd", progress, name=name, source=source, argument=argument, mirror=mirror, keyring=keyring, replace=replace)

    def base_sync(
        self,
        name: str | None = None,
        progress: Progress | None = None,
        shrink: bool = False,
    ) -> dict[str, Any]:
        """Bring a base up to date; without a name, all that are due by their interval. Who may: who published the base, and administrators."""
        return self.call("BaseSync", progress, name=name, shrink=shrink)

    def base_rollback(
        self,
        name: str,
        generation: str | None = None,
    ) -> Base:
        """Make an older generation the current one; without a number, the one before. Who may: who published the base, and administrators."""
        found: Base = self.call("BaseRollback", None, name=name, generation=generation)["base"]
        return found

    def base_set(
        self,
        name: str,
        memory: int | None = None,
        cpus: float | None = None,
        ttl: int | None = None,
        home: bool | None = None,
        network: bool | None = None,
        welcome: str | None = None,
        unset: list[Literal["memory", "cpus", "ttl", "home", "network"]] | None = None,
    ) -> Base:
        """Say what machines of a base get where whoever makes one says nothing, and what is told in the first shell. Who may: who published the base, and administrators."""
        found: Base = self.call("BaseSet", None, name=name, memory=memory, cpus=cpus, ttl=ttl, home=home, network=network, welcome=welcome, unset=unset)["base"]
        return found

    def base_remove(
        self,
        name: str,
        default: bool = False,
    ) -> None:
        """Remove a base with its generations. Machines keep their files. Who may: who published the base, and administrators."""
        self.call("BaseRemove", None, name=name, default=default)

    def kernel_build(
        self,
        series: str | None = None,
        progress: Progress | None = None,
    ) -> Kernel:
        """Fetch, patch and build the kernel, or take it from the cache. Who may: administrators."""
        found: Kernel = self.call("KernelBuild", progress, series=series)["kernel"]
        return found

    def kernel_list(
        self,
    ) -> list[Kernel]:
        """Show the kernels that machines run. Who may: whoever has an account on the host."""
        found: list[Kernel] = self.call("KernelList")["kernels"]
        return found

    def kernel_remove(
        self,
        name: str,
    ) -> None:
        """Remove a kernel that no machine uses. Who may: administrators."""
        self.call("KernelRemove", None, name=name)

    def store_inspect(
        self,
    ) -> Store:
        """Show the file system that holds bases and machines. Who may: whoever has an account on the host."""
        found: Store = self.call("StoreInspect")["store"]
        return found

    def store_backup(
        self,
        name: str,
        target: str,
        kept: list[str],
        progress: Progress | None = None,
        full: bool = False,
        snapshots: bool = False,
        owner: str | None = None,
    ) -> dict[str, Any]:
        """Send a machine's files, and those of its base, as streams of btrfs send: a reply with a descriptor to read each from. Who may: root, of anybody's machine."""
        return self.call("StoreBackup", progress, name=name, owner=owner, target=target, kept=kept, full=full, snapshots=snapshots)

    def store_restore(
        self,
        machines: list[Restored],
        trees: list[str],
        progress: Progress | None = None,
    ) -> list[Info]:
        """Make machines of streams that were sent: a reply with a descriptor to write each to, where it is not here already. Who may: root."""
        found: list[Info] = self.call("StoreRestore", progress, machines=machines, trees=trees)["machines"]
        return found

    def metrics(
        self,
    ) -> str:
        """Show what is counted and measured, in the text format of Prometheus. Who may: administrators."""
        found: str = self.call("Metrics")["text"]
        return found

    def drain(
        self,
        left: float,
        why: str = "",
        stop: bool = False,
    ) -> dict[str, Any]:
        """Have no machine start any more, tell whoever works in one, and in the end put all to sleep, or `stop` them. Who may: administrators."""
        return self.call("Drain", None, left=left, why=why, stop=stop)

    def drain_end(
        self,
    ) -> dict[str, Any]:
        """Let machines start again; those that start with the host do at once. Who may: administrators."""
        return self.call("DrainEnd")

    def drain_inspect(
        self,
    ) -> dict[str, Any]:
        """Show whether this host is drained, and what runs still. Who may: whoever has an account on the host."""
        return self.call("DrainInspect")

    def doctor(
        self,
    ) -> list[Check]:
        """Check the host; say what is missing and how to mend it. Who may: whoever has an account on the host."""
        found: list[Check] = self.call("Doctor")["checks"]
        return found


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
