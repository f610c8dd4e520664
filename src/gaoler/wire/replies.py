"""The replies of `org.gaoler`. What an optional field holds is absent where there is nothing to tell."""

from __future__ import annotations

from typing import Any

from gaoler.wire.messages import (
    Base,
    Check,
    Difference,
    Drain,
    Generation,
    Info,
    Kernel,
    Message,
    Removed,
    SnapshotInfo,
    Standing,
    Store,
    Usage,
)


class Reply(Message):
    """A reply is what its fields say; the class has no name on the wire."""

    def parameters(self) -> dict[str, Any]:
        """What goes over the wire. An empty optional field is left out; those of what it carries are null."""
        empty = {name for name in type(self).model_fields if getattr(self, name) is None}
        return self.model_dump(exclude=empty)


class Nothing(Reply):
    """It is done."""


class Progress(Reply):
    """How far a long work has come: before the last reply, to whoever asked for more than one."""

    step: str
    done: int | None = None
    total: int | None = None
    unit: str | None = None


class Entered(Reply):
    """Beside its descriptors: what the base has to tell whoever opens a machine's first shell."""

    name: str
    welcome: str | None = None


class Session(Reply):
    """The name of a machine that runs a command, or that has run it."""

    session: str


class OneMachine(Reply):
    machine: Info


class Gone(Reply):
    """A machine that was removed; it can be had back `until` then, or not at all."""

    name: str
    until: float | None = None


class RemovedMachines(Reply):
    removed: list[Removed]


class Machines(Reply):
    machines: list[Info]


class Usages(Reply):
    usage: list[Usage]


class Printed(Reply):
    """Text as a person reads it."""

    text: str


class SshDetails(Reply):
    name: str
    address: str
    user: str
    identity: str
    """The private key, as OpenSSH writes it."""
    host_keys: list[str]


class SshConnected(Reply):
    """What is to be known before the first byte: whose machine, and the host keys it is told from others by."""

    name: str
    owner: str
    host_keys: list[str]


class Taken(Reply):
    """A snapshot; `note` says what is not as it should be."""

    tag: str
    note: str | None = None


class SnapshotInfos(Reply):
    snapshots: list[SnapshotInfo]


class Changed(Reply):
    """`later` is what counts from the machine's next start on."""

    machine: Info
    later: list[str]


class Differences(Reply):
    """What has changed `against` a base or a snapshot; `left_out` counts what is beyond the many that are told."""

    against: str
    differences: list[Difference]
    left_out: int
    patch: str | None = None
    """How texts differ, as diff -u writes it."""
    note: str | None = None


class Rebased(Reply):
    """`tag` is the snapshot of what the machine was before."""

    machine: Info
    tag: str


class Cloned(Reply):
    machine: Info
    note: str | None = None


class Exported(Reply):
    """What is in the archive: `left_out` counts what could not be, `without` names the first of that, with the reasons."""

    machine: Info
    files: int
    bytes: int
    """In files, before they were compressed."""
    left_out: int
    without: list[str]


class Imported(Reply):
    """`notes` say what is not as the archive has it."""

    machine: Info
    notes: list[str]


class OneBase(Reply):
    base: Base


class Bases(Reply):
    bases: list[Base]


class BaseHistory(Reply):
    base: Base
    generations: list[Generation]
    standing: list[Standing] | None = None
    """Which machines were cloned from it: for who may change the base alone."""


class BaseMade(Reply):
    """A base that was made or brought up to date."""

    base: Base
    new: bool
    """Whether that is another generation than before."""


class BaseSynced(Reply):
    """One base, or all that were due."""

    base: Base | None = None
    new: bool | None = None
    bases: list[Base] | None = None


class OneKernel(Reply):
    kernel: Kernel


class Kernels(Reply):
    kernels: list[Kernel]


class Sent(Reply):
    """A stream that comes now; it builds on the tree `parent`."""

    tree: str
    parent: str | None = None


class BackedUp(Reply):
    """All streams are whole, the machine's own last. `record` is for `StoreRestore`, `snapshots` are trees by their tags."""

    owner: str
    name: str
    id: str
    record: str
    tree: str
    parent: str | None
    snapshots: dict[str, str]


class Asked(Reply):
    """The stream of that tree is to come now."""

    tree: str


class OneStore(Reply):
    store: Store


class Drained(Reply):
    """`running` is how many machines run still."""

    drain: Drain | None = None
    running: int


class Checks(Reply):
    checks: list[Check]
