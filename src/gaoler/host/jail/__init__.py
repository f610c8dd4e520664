"""Start a kernel process in its jail, through crun, and take all of it away again.

crun sets up namespaces, mounts, control group and limits, and is gone before `start` returns; the machine belongs to
nobody's process tree and runs on when the daemon stops. It is found again by crun's state, kept in a directory of ours.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from gaoler.errors import Failed, NotAllowed
from gaoler.host import cgroup, libc
from gaoler.host.jail import bundle, seccomp_program
from gaoler.host.jail.bundle import Home, Jail, Owner
from gaoler.host.jail.idprobe import can_idmap
from gaoler.host.jail.program import sealed
from gaoler.host.process import Process

__all__ = ["RUNTIME", "Home", "Jail", "Owner", "kill", "listed", "prepare_host", "remove", "running", "start"]

RUNTIME = Path("/run/gaoler/jails")  # crun's state and the skeleton; root's alone to write

_CRUN = Path("/usr/bin/crun")
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")  # there where tmpfs takes the option huge=
_HOME_PLACE = 20  # crun's descriptor of the home; beyond those that it hands on, so the machine never has it
_LIMITS = {
    "RLIMIT_CORE": 1,  # not 0: that would still start a core_pattern program of the host
    "RLIMIT_MEMLOCK": 65536,
    "RLIMIT_NOFILE": 65536,
}


_HIDDEN = "64m"
"""crun takes what hides the unified hierarchy for one, and writes a file (a page) for each machine there: enough for 16,384."""


def prepare_host() -> None:
    """Let crun run on a host that has control groups of both versions ("hybrid"); call once, before any thread starts.

    crun refuses to run where it finds version 2 at /sys/fs/cgroup/unified. Rather than wrap each start, this process
    leaves the host's mount namespace and hides it there. What the host mounts and unmounts later happens here too where
    its tree is shared, as systemd makes it; what this process mounts from now on the host never sees: so the store first.
    """
    seccomp_program.encoded()  # made now, and not while the first machine waits
    unified = cgroup.host().in_the_way()
    if unified is None:
        return
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount(None, Path("/"), None, libc.MS_REC | libc.MS_SLAVE)
    libc.mount("tmpfs", unified, "tmpfs", 0, f"mode=755,size={_HIDDEN}")


def start(
    jail: Jail, *, console: int, agent: int, tap: int | None, image: tuple[int, ...] = (), runtime: Path = RUNTIME
) -> Process:
    """Run the jail's kernel and return its process, the first one of the jail's pid namespace.

    `console` is what the kernel writes its messages to, `agent` the listening socket, `tap` the network; `image`, memory
    and state of an image (host/image.py), lets it go on from there instead of taking the jail's arguments; the caller
    keeps its own descriptors. Raises Failed with crun's reason; nothing is left over then.
    """
    if (runtime / "state" / jail.name).exists():  # or we would clear it up when crun refuses
        raise Failed(f"can't start the jail of {jail.name}", "it already exists", "crun list")
    with ExitStack() as ours:
        # Not /dev/null: crun gives descriptors 0 to 2 to the jail's root, who could then close the host's own to everybody.
        nothing, end = os.pipe2(os.O_CLOEXEC)
        os.close(end)
        ours.callback(os.close, nothing)
        descriptors = [nothing, console, console, agent]
        if tap is not None:
            descriptors.append(tap)
        if image:
            numbers = ",".join(str(len(descriptors) + place) for place in range(len(image)))
            jail = replace(jail, arguments=(f"restore={numbers}",))
            descriptors += image
        home = None if jail.home is None else _open_home(jail.home, jail.owner)
        if jail.home is not None and home is not None:
            ours.callback(os.close, home)
            # By descriptor: what the path leads to by now may be something else.
            squashed = not can_idmap(home, jail.home.source) if jail.home.squashed is None else jail.home.squashed
            jail = replace(jail, home=replace(jail.home, squashed=squashed))
        if jail.label:  # a process is named as what it executes, which ps, top and the kernel's own messages show
            link = jail.notify_dir / jail.label
            link.unlink(missing_ok=True)
            link.symlink_to(f"/{bundle.KERNEL}")
        log = jail.bundle / "log"
        _write_bundle(jail, runtime)
        command = [
            "crun", "--root", str(runtime / "state"), "--log", f"file:{log}", "--cgroup-manager", "cgroupfs",
            # The bundle is where hooks are started; they run as the machine's root, who gets into no directory of ours.
            "run", "--detach", "--bundle", "/", "--config", str(jail.bundle / "config.json"),
            "--preserve-fds", str(len(descriptors) - 3), jail.name,
        ]  # fmt: skip
        places = dict(enumerate(descriptors)) | ({} if home is None else {_HOME_PLACE: home})
        code = _spawn(command, places)
    process = running(jail.name, runtime=runtime) if code == 0 else None
    if process is None:
        why = _reason(log)
        remove(jail.name, runtime=runtime, cgroup_path=jail.cgroup)
        raise Failed(f"can't start the jail of {jail.name}", why, "gaol doctor")
    if jail.cpu is not None:
        # Not before: newer versions of crun undo what they inherit, and crun itself is faster on all processors.
        cgroup.pin(jail.cgroup, jail.cpu)
    return process


def kill(process: Process) -> None:
    """End a jail at once: with its first process all others of the pid namespace are killed."""
    process.kill()


def remove(name: str, *, runtime: Path = RUNTIME, cgroup_path: str | None = None) -> None:
    """Kill what still runs of a jail and take away its state and control group; nothing when all is gone.

    Done here rather than by `crun delete --force`, which takes as long as a start and gives up where crun itself was
    killed half-way. `cgroup_path` names the control group for that case: crun notes it late.
    """
    state = _state(name, runtime)
    process = _process(state)
    if process is not None:
        process.kill()
        if not process.wait(10):
            raise Failed(
                f"can't end the jail of {name}",
                f"process {process.pid} does not die",
                f"ps -o pid,stat,wchan:32,cmd {process.pid}",
            )
    path = state.get("cgroup-path") or cgroup_path
    if isinstance(path, str) and path:
        for pid in cgroup.processes(path):  # crun's own child, if crun was killed before it noted anything
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        cgroup.remove(path)
    with suppress(FileNotFoundError):
        shutil.rmtree(runtime / "state" / name)


def running(name: str, *, runtime: Path = RUNTIME) -> Process | None:
    """The process of a jail, running or dead; None when no such jail was started."""
    return _process(_state(name, runtime))


def listed(prefix: str = "", *, runtime: Path = RUNTIME) -> list[str]:
    """Names of the jails that have left a state: those that run, and those that died and were not removed."""
    try:
        names = [entry.name for entry in (runtime / "state").iterdir()]
    except FileNotFoundError:
        return []
    # crun keeps its cache of compiled filters there, under a name that no jail has.
    return sorted(name for name in names if name.startswith(prefix) and not name.startswith("."))


def _open_home(home: Home, owner: Owner) -> int:
    """The home, held by descriptor from the check of whose it is to the mount.

    Opened as its owner would open it: who puts a symbolic link there must not be led to where root alone may go.
    """
    what = f"can't show {home.source} to the machine"
    try:
        with libc.file_access_of(owner.uid, owner.gid, owner.groups):
            fd = os.open(home.source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(what, error.strerror or str(error), "gaol up --no-home") from error
    found = os.fstat(fd).st_uid
    if found != owner.uid:
        os.close(fd)
        raise NotAllowed(what, f"it is uid {found}'s, not {owner.name}'s (uid {owner.uid})", "gaol up --no-home")
    return fd


def _write_bundle(jail: Jail, runtime: Path) -> None:
    limits = bundle.resource_limits(_LIMITS, {name: resource.getrlimit(getattr(resource, name))[1] for name in _LIMITS})
    home = f"/proc/self/fd/{_HOME_PLACE}/."  # the dot, since crun opens it without following a link
    config = bundle.configuration(
        jail, _skeleton(runtime), home, limits=limits, resources=cgroup.host().resources,
        filter_program=seccomp_program.encoded(), huge_pages=_HUGE_PAGES.exists(),
    )  # fmt: skip
    jail.bundle.mkdir(mode=0o700, parents=True, exist_ok=True)
    (jail.bundle / "config.json").write_text(json.dumps(config))
    (jail.bundle / "log").unlink(missing_ok=True)


def _state(name: str, runtime: Path) -> dict[str, object]:
    try:
        state = json.loads((runtime / "state" / name / "status").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):  # not yet or never written
        return {}
    return state if isinstance(state, dict) else {}


def _process(state: dict[str, object]) -> Process | None:
    pid, start_time = state.get("pid"), state.get("process-start-time")
    return Process(pid, start_time) if isinstance(pid, int) and isinstance(start_time, int) else None


def _skeleton(runtime: Path) -> Path:
    """The jail's root: empty directories, one for each mount, the same for all jails and never written by one."""
    skeleton = runtime / "skeleton"
    kernel = skeleton / bundle.KERNEL
    if not kernel.exists():  # made last
        for name in bundle.DIRECTORIES:
            (skeleton / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        kernel.touch(mode=0o755)
    return skeleton


def _spawn(command: list[str], descriptors: dict[int, int]) -> int:
    """Run crun with these descriptors (its number: ours) and no others, and wait for it.

    posix_spawn, since it does not copy the daemon's page tables as fork does.
    """
    crun = sealed(_CRUN, "crun")
    # Out of the way first, so that putting one in place does not close another that still has to move.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in descriptors.values()]
    actions = [(os.POSIX_SPAWN_DUP2, source, place) for place, source in zip(descriptors, high, strict=True)]
    try:
        # As the kernel wants its own: it would execute itself again for that, and lose the name that it was executed by.
        with libc.no_random_addresses():
            pid = os.posix_spawn(
                crun,
                command,
                {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                file_actions=actions,
                setsigmask=(),
                setsigdef=signal.valid_signals(),  # Python ignores SIGPIPE and SIGXFSZ, which would be inherited
            )
    finally:
        for fd in high:
            os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _reason(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "crun gave no reason"
    return lines[-1] if lines else "crun gave no reason"
