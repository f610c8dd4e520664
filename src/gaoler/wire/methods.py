"""The table of methods: what is asked, what is answered, and who may. Server, introspection and client are made from it.

The class of an entry is the right to call it; `daemon.rights` decides it, and `daemon.methods` has what answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from gaoler.wire import replies, requests

Q = TypeVar("Q", bound=requests.Request)
R = TypeVar("R", bound=replies.Reply)
M = TypeVar("M", bound=requests.OfMachine)
S = TypeVar("S", bound=requests.OfSome)
B = TypeVar("B", bound=requests.OfBase)


@dataclass(frozen=True)
class Method(Generic[Q, R]):
    """`before` is what comes before the last reply, to callers that ask for more than one."""

    request: type[Q]
    reply: type[R]
    before: type[replies.Reply] | None = None
    to: str = ""
    """What a caller is told that they may not do; for the rights that can be refused."""

    @property
    def name(self) -> str:
        return self.request.__name__

    @property
    def right(self) -> str:
        """Who may call it, as the interface says it."""
        return " ".join((type(self).__doc__ or "").split())


class Anybodys(Method[Q, R]):
    """whoever has an account on the host"""


class Owners(Method[M, R]):
    """for oneself; administrators for others"""


class OfMachines(Method[M, R]):
    """the machine's owner, and administrators"""


class InMachines(Method[M, R]):
    """the machine's owner, and root"""


class Seen(Method[M, R]):
    """the machine's owner, administrators, and whoever it is shared with"""


class Entered(Method[M, R]):
    """the machine's owner, root, and whoever it is shared with"""


class Catalogues(Method[S, R]):
    """of one's own machines and those that are shared with one; with all: administrators"""


class OthersMachines(Method[M, R]):
    """administrators, of everybody's machines"""


class Listings(Method[S, R]):
    """of one's own machines; with all: administrators"""


class OfBases(Method[B, R]):
    """who published the base, and administrators"""


class Administrators(Method[Q, R]):
    """administrators"""


class Roots(Method[Q, R]):
    """root"""


class RootsOfMachines(Method[M, R]):
    """root, of anybody's machine"""


RUN = Anybodys(requests.Run, replies.Session, replies.Session)
UP = Owners(requests.Up, replies.OneMachine, replies.Progress)
EXEC = Entered(requests.Exec, replies.Entered, to="run commands in another's machine")
RESCUE = InMachines(requests.Rescue, replies.Session, replies.Session, to="see the files of another's machine")
LIST = Catalogues(requests.List, replies.Machines, to="see everybody's machines")
INSPECT = Seen(requests.Inspect, replies.OneMachine)
TOP = Listings(requests.Top, replies.Usages, to="see everybody's machines")
LOG = OfMachines(requests.Log, replies.Printed)
DOWN = OfMachines(requests.Down, replies.OneMachine)
SLEEP = OfMachines(requests.Sleep, replies.OneMachine)
FREEZE = OfMachines(requests.Freeze, replies.OneMachine)
THAW = OfMachines(requests.Thaw, replies.OneMachine)
REMOVE = OfMachines(requests.Remove, replies.Gone)
REMOVED_LIST = Owners(requests.RemovedList, replies.RemovedMachines)
REMOVED_RESTORE = Owners(requests.RemovedRestore, replies.OneMachine)
REMOVED_DROP = Owners(requests.RemovedDrop, replies.Nothing)
WAIT = OfMachines(requests.Wait, replies.OneMachine)
SSH = InMachines(requests.Ssh, replies.SshDetails, to="have the key to another's machine")
SSH_CONNECT = Entered(requests.SshConnect, replies.SshConnected, to="log in to another's machine")
SNAPSHOT = OfMachines(requests.Snapshot, replies.Taken)
SNAPSHOT_LIST = OfMachines(requests.SnapshotList, replies.SnapshotInfos)
SNAPSHOT_REMOVE = OfMachines(requests.SnapshotRemove, replies.Nothing)
RESTORE = OfMachines(requests.Restore, replies.OneMachine)
DIFF = InMachines(requests.Diff, replies.Differences, replies.Progress, to="read the files of another's machine")
REBASE = OfMachines(requests.Rebase, replies.Rebased, replies.Progress)
CLONE = OfMachines(requests.Clone, replies.Cloned)
EXPORT = InMachines(requests.Export, replies.Exported, replies.Progress, to="read the files of another's machine")
IMPORT = Owners(requests.Import, replies.Imported, replies.Progress)
SET = OfMachines(requests.Set, replies.Changed)
SHARE = InMachines(requests.Share, replies.OneMachine, to="share another's machine")
UNSHARE = OfMachines(requests.Unshare, replies.OneMachine)
RENAME = OfMachines(requests.Rename, replies.OneMachine)
GIVE = OthersMachines(requests.Give, replies.OneMachine, to="give machines away")
PUBLISH = OfMachines(requests.Publish, replies.BaseMade, replies.Progress)
BASE_LIST = Anybodys(requests.BaseList, replies.Bases)
BASE_INSPECT = Anybodys(requests.BaseInspect, replies.BaseHistory)
BASE_ADD = Administrators(requests.BaseAdd, replies.BaseMade, replies.Progress, to="add a base")
BASE_SYNC = OfBases(requests.BaseSync, replies.BaseSynced, replies.Progress, to="sync that base")
BASE_ROLLBACK = OfBases(requests.BaseRollback, replies.OneBase, to="roll that base back")
BASE_SET = OfBases(requests.BaseSet, replies.OneBase, to="say what that base's machines get")
BASE_REMOVE = OfBases(requests.BaseRemove, replies.Nothing, to="remove that base")
KERNEL_BUILD = Administrators(requests.KernelBuild, replies.OneKernel, replies.Progress, to="build a kernel")
KERNEL_LIST = Anybodys(requests.KernelList, replies.Kernels)
KERNEL_REMOVE = Administrators(requests.KernelRemove, replies.Nothing, to="remove a kernel")
STORE_INSPECT = Anybodys(requests.StoreInspect, replies.OneStore)
STORE_BACKUP = RootsOfMachines(requests.StoreBackup, replies.BackedUp, replies.Sent, to="back machines up")
STORE_RESTORE = Roots(requests.StoreRestore, replies.Machines, replies.Asked, to="restore machines")
METRICS = Administrators(requests.Metrics, replies.Printed, to="see the metrics")
DRAIN = Administrators(requests.Drain, replies.Drained, to="drain this host")
DRAIN_END = Administrators(requests.DrainEnd, replies.Drained, to="end a drain")
DRAIN_INSPECT = Anybodys(requests.DrainInspect, replies.Drained)
DOCTOR = Anybodys(requests.Doctor, replies.Checks)

METHODS: dict[str, Method[requests.Request, replies.Reply]] = {
    entry.name: entry for entry in list(globals().values()) if isinstance(entry, Method)
}
"""Every method by its name, in the order above."""
